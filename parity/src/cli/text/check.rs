use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use native::model_dir::ModelDir;
use parity::exit::Exit;
use parity::recording::Error;
use parity::shard::Shard;
use parity::text_corpus::{Corpus, NativeFrontends, Summary, check};

use crate::cli::engine::ModelArgs;
use crate::cli::shared::{GoldenFault, say, say_json};

/// Hold the native frontend against what the reference made of the corpus.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The texts, and what was recorded of them
    #[arg(long, value_name = "DIR", default_value = "golden/text")]
    corpus: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// List the lines on which the reference raises an exception
    #[arg(long)]
    failures: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `parity text check`.
pub fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let corpus = read_corpus(&args.corpus)?;
    let model = args.model.open()?;
    let summary = summarise(&corpus, &model, None)?;
    if args.json {
        say_json(&summary)?;
    } else {
        say(&table(&summary))?;
        if args.failures {
            say(&failures(&summary))?;
        }
    }
    Ok(match summary {
        Summary { compared: 0, .. } => Exit::NothingCompared,
        summary if summary.agrees() => Exit::Parity,
        _ => Exit::Failed,
    })
}

/// Reads a corpus, or says what is wrong with it.
pub fn read_corpus(dir: &Path) -> Result<Corpus, GoldenFault> {
    Ok(Corpus::read(dir)?)
}

/// Compares a corpus, or a shard of it; a [`GoldenFault`] if it belongs to another model.
pub fn summarise(
    corpus: &Corpus,
    model: &ModelDir,
    shard: Option<Shard>,
) -> anyhow::Result<Summary> {
    corpus.manifest.expect_model(model).map_err(|e| match e {
        Error::Stale { .. } => anyhow::Error::from(GoldenFault::from(e)),
        _ => e.into(),
    })?;
    Ok(check(corpus, &mut NativeFrontends::new(model), shard)?)
}

fn table(summary: &Summary) -> String {
    let mut out = format!(
        "{:<34} {:>7} {:>9} {:>8} {:>8} {:>8}\n",
        "asked with", "lines", "ref fails", "compared", "agree", "differ"
    );
    let mut row = |name: &str, numbers: [usize; 4]| {
        let [lines, compared, agreed, differing] = numbers;
        let failed = lines - compared;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name:<34} {lines:>7} {failed:>9} {compared:>8} {agreed:>8} {differing:>8}"
        );
    };
    for s in &summary.settings {
        row(&s.setting, [s.lines, s.compared, s.agreed, s.differing]);
    }
    let s = summary;
    row("all", [s.lines, s.compared, s.agreed, s.differing]);
    for (kind, count) in &summary.reference_failures {
        let _ = writeln!(out, "the reference raises {kind}: {count}");
    }
    for example in &summary.examples {
        let (part, place, text) = (&example.part, &example.place, &example.text);
        let _ = writeln!(out, "\n{part} {place} {text:?}: {}", example.difference);
    }
    if summary.differing > summary.examples.len() {
        let more = summary.differing - summary.examples.len();
        let _ = writeln!(out, "\nand {more} more");
    }
    out
}

fn failures(summary: &Summary) -> String {
    let mut out = String::new();
    for f in &summary.failures {
        let _ = writeln!(
            out,
            "{} {} {} {:?}: {}",
            f.part, f.place, f.raised, f.text, f.warning
        );
    }
    out
}
