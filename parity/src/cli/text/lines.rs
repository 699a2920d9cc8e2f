use anyhow::ensure;
use clap::Args;
use parity::exit::Exit;
use parity::text_corpus::{Generator, LineKind};

use crate::cli::shared::say;

/// Print random lines, each a JSON string, as `native text --lines` reads them.
#[derive(Args, Debug)]
pub struct LinesArgs {
    /// The same seed gives the same lines
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// english, chinese, mixed, damaged, hostile, markup or paragraph (default: all of them)
    #[arg(long)]
    kind: Option<LineKind>,
}

/// Runs `parity text lines`.
pub fn run(args: &LinesArgs) -> anyhow::Result<Exit> {
    ensure!(args.count > 0, "--count 0 prints nothing");
    let mut generator = Generator::new(args.seed);
    for _ in 0..args.count {
        let line = match args.kind {
            Some(kind) => generator.line(kind),
            None => generator.any().1,
        };
        say(&(serde_json::to_string(&line)? + "\n"))?;
    }
    Ok(Exit::Parity)
}
