use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::judge::Evaluation;
use parity::recording::{Reader, RecordedCase, RecordingSource as _};
use parity::report::build_report;
use parity::stage::Feed;

use super::shared::{OutputArgs, TolerancesArg, open_golden};

/// Judge saved recordings again, and write the report.
///
/// Nothing is synthesised: other limits, or another golden, are applied to what was recorded.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    parity judge --golden golden/tiny-7 --isolated out/isolated --cascaded out/cascaded \\\n      \
    --tolerances my-limits.toml --out out/judged")]
pub struct JudgeArgs {
    /// The golden
    #[arg(long, value_name = "DIR")]
    golden: PathBuf,
    /// The candidate's recording that was fed from the golden
    #[arg(long, value_name = "DIR")]
    isolated: Option<PathBuf>,
    /// The candidate's recording from end to end
    #[arg(long, value_name = "DIR")]
    cascaded: Option<PathBuf>,
    /// The cases, to find goldens that are stale; without it only the recordings count
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    tolerances: TolerancesArg,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `parity judge`.
pub fn run(args: &JudgeArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.golden)?;
    let earlier = args.output.earlier()?;
    let open = |dir: &Option<PathBuf>, feed: Feed| -> anyhow::Result<Option<Reader>> {
        let Some(dir) = dir else { return Ok(None) };
        let reader = Reader::open(dir)?;
        let found = reader.manifest().feed;
        if found != feed {
            let (found, wanted) = (found.name(), feed.name());
            bail!(
                "{} is a {found} recording, not a {wanted} one: pass it as --{found}",
                dir.display()
            );
        }
        Ok(Some(reader))
    };
    let isolated = open(&args.isolated, Feed::Isolated)?;
    let cascaded = open(&args.cascaded, Feed::Cascaded)?;
    if isolated.is_none() && cascaded.is_none() {
        bail!("there is nothing to judge: pass --isolated, --cascaded, or both");
    }
    let expected = match &args.cases {
        Some(path) => {
            let file = CaseFile::load(path)?;
            let recorded = file.cases.iter().map(|c| RecordedCase::of(c, &file));
            Some(recorded.collect::<Result<Vec<_>, _>>()?)
        }
        None => None,
    };
    let tolerances = args.tolerances.load(&args.golden)?;
    let _claimed = args.output.claim(&[("the golden", &args.golden)])?;
    let evaluation = Evaluation {
        golden: &golden,
        isolated: isolated.as_ref().map(|r| r as _),
        cascaded: cascaded.as_ref().map(|r| r as _),
        expected: expected.as_deref(),
        tolerances: &tolerances,
    };
    let dir = args.golden.display();
    let mut report = build_report(&evaluation, None, |case| {
        format!("parity report --golden {dir} --case {case}")
    })?;
    args.output.publish(&mut report, earlier.as_ref())?;
    Ok(report.status())
}
