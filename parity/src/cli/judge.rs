use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::judge::Evaluation;
use parity::recording::{Manifest, Reader, RecordedCase, RecordingSource as _};
use parity::report::build_report;
use parity::stage::Feed;

use super::choice::{CasesArg, DeepArg, reproduce};
use super::shared::{CertificateArg, OutputArgs, TensorsArg, TolerancesArg, open_golden};

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
    only: CasesArg,
    #[command(flatten)]
    deep: DeepArg,
    #[command(flatten)]
    tolerances: TolerancesArg,
    #[command(flatten)]
    tensors: TensorsArg,
    #[command(flatten)]
    certificate: CertificateArg,
    #[command(flatten)]
    output: OutputArgs,
}

impl JudgeArgs {
    /// The command line that finds the same, without the choice of cases: native's engine is run
    /// again, and what another one recorded is judged again.
    fn again(&self, candidate: &Manifest) -> String {
        let golden = self.golden.display();
        if candidate.engine.name == "native" {
            return format!("parity report --golden {golden}");
        }
        let mut line = format!("parity judge --golden {golden}");
        for (flag, dir) in [("isolated", &self.isolated), ("cascaded", &self.cascaded)] {
            if let Some(dir) = dir {
                line += &format!(" --{flag} {}", dir.display());
            }
        }
        line
    }
}

/// Runs `parity judge`.
pub fn run(args: &JudgeArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.golden)?;
    let earlier = args.output.earlier()?;
    let open = |dir: &Option<PathBuf>, feed: Feed| -> anyhow::Result<Option<Reader>> {
        let Some(dir) = dir else { return Ok(None) };
        let reader = Reader::open_candidate(dir, &golden)?;
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
            let wanted = file.cases.iter().filter(|c| args.only.wants(&c.name));
            let recorded = wanted.map(|c| RecordedCase::of(c, &file));
            Some(recorded.collect::<Result<Vec<_>, _>>()?)
        }
        None => args.only.of_golden(&golden)?,
    };
    if expected.as_ref().is_some_and(Vec::is_empty) {
        bail!("no case is left to judge: the cases file has none of the names given with --case");
    }
    let tolerances = args.tolerances.load(&args.golden)?;
    let _claimed = args.output.claim(&[("the golden", &args.golden)])?;
    let evaluation = Evaluation {
        golden: &golden,
        isolated: isolated.as_ref().map(|r| r as _),
        cascaded: cascaded.as_ref().map(|r| r as _),
        expected: expected.as_deref(),
        tolerances: &tolerances,
        anyway: false,
    };
    let Some((manifest, candidate)) = [(&cascaded, &args.cascaded), (&isolated, &args.isolated)]
        .into_iter()
        .find_map(|(reader, dir)| Some((reader.as_ref()?.manifest(), dir.as_ref()?)))
    else {
        bail!("there is nothing to judge: pass --isolated, --cascaded, or both");
    };
    let again = args.again(manifest);
    let mut report = build_report(&evaluation, None, reproduce(manifest, again))?;
    args.tensors
        .write(&mut report, &evaluation, &args.output.out)?;
    if let Some(layers) = args.deep.compare(&args.golden, candidate, &tolerances)? {
        args.output.detail.print_layers(Some(&layers))?;
        report = report.with_layers(layers);
    }
    let certificate = args.certificate.write(&report, &evaluation, false)?;
    args.output
        .publish(&mut report, earlier.as_ref(), certificate.as_deref())?;
    Ok(report.status())
}
