use std::path::PathBuf;

use clap::Args;
use parity::exit::Exit;
use parity::judge::Evaluation;
use parity::recording::{Reader, RecordingSource as _};
use parity::report::{Detail, build_report, table};
use parity::stage::Feed;

use super::shared::{TolerancesArg, open_golden, say, say_json};

/// Diff two recordings and judge the difference.
///
/// A recording is a folder with a manifest.json, made by `parity record`. Whether the candidate
/// was fed with the golden's inputs (isolated) or its own (cascaded) stands in its manifest.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity diff golden/tiny-7 out/native\n  \
    parity diff out/cpu out/cuda --tolerances my-limits.toml\n  \
    parity diff golden/tiny-7 out/native --json | jq '.cases[].outcome.first_introduced'")]
pub struct DiffArgs {
    /// The recording that is right
    reference: PathBuf,
    /// The recording that is held against it
    candidate: PathBuf,
    /// Print the report as JSON, without its sounds and pictures
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tolerances: TolerancesArg,
}

/// Runs `parity diff`.
pub fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.reference)?;
    let candidate = Reader::open(&args.candidate)?;
    let tolerances = args.tolerances.load(&args.reference)?;
    let feed = candidate.manifest().feed;
    let only = |wanted| (feed == wanted).then_some(&candidate as _);
    let evaluation = Evaluation {
        golden: &golden,
        isolated: only(Feed::Isolated),
        cascaded: only(Feed::Cascaded),
        expected: None,
        tolerances: &tolerances,
    };
    let (reference, other) = (args.reference.display(), args.candidate.display());
    let mut report = build_report(&evaluation, None, |_| {
        format!("parity diff {reference} {other}")
    })?;
    if args.json {
        for case in &mut report.cases {
            case.sound = None;
            case.mels.clear();
            case.f0.clear();
        }
        say_json(&report)?;
    } else {
        say(&table(&report, Detail::Normal))?;
    }
    Ok(report.status())
}
