use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use parity::exit::Exit;
use parity::report::{Comparison, comparison_html, comparison_table};
use parity::wav::Wav;

use super::shared::{say, say_json};

/// Compare two sound files.
///
/// Levels, SNR, SI-SDR, lag, alignment and spectral distances; no limit is applied. Sounds of
/// several channels are mixed to mono, and another sampling rate is converted to the first's.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity compare reference.wav native.wav\n  \
    parity compare reference.wav native.wav --json | jq .diff.measures.snr\n  \
    parity compare reference.wav native.wav --html compare.html")]
pub struct CompareArgs {
    /// The reference
    a: PathBuf,
    /// The candidate
    b: PathBuf,
    /// Print JSON, without the sounds
    #[arg(long)]
    json: bool,
    /// Also write a page with both sounds
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs `parity compare`.
pub fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    let (a, b) = (Wav::read(&args.a)?, Wav::read(&args.b)?);
    let (name_a, name_b) = (args.a.display().to_string(), args.b.display().to_string());
    let mut comparison = Comparison::of((&name_a, &a), (&name_b, &b));
    if let Some(path) = &args.html {
        let html = comparison_html(&comparison).map_err(anyhow::Error::msg)?;
        std::fs::write(path, html).with_context(|| path.display().to_string())?;
    }
    if args.json {
        comparison.sound = None;
        say_json(&comparison)?;
    } else {
        say(&comparison_table(&comparison))?;
    }
    let empty = a.samples.is_empty() || b.samples.is_empty();
    Ok(if empty { Exit::Nothing } else { Exit::Parity })
}
