use std::path::PathBuf;

use clap::Args;
use parity::case::CaseFile;
use parity::deep::{DeepReport, Part, look_inside};
use parity::exit::Exit;
use parity::judge::{Tolerances, Trial};
use parity::record::{NativeRecorder, run_native};
use parity::recording::RecordedCase;
use parity::report::{deep_table, report_from, table, write};

use super::engine::{EngineArgs, case_bar};
use super::shared::{TolerancesArg, open_golden, say};

/// Run the native engine against a golden, and report how far apart they are.
///
/// Every case is run twice: each stage alone on the golden's inputs (isolated), and from the text
/// and the sound file to speech (cascaded). A stage that fails isolated introduced an error; one
/// that fails only cascaded inherited it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity report\n  \
    parity report --case english-short\n  \
    parity report --deep llm\n  \
    parity report --model-dir Fun-CosyVoice3-0.5B --golden golden/fun-cosyvoice3-0.5b --device cuda")]
pub struct ReportArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// What the reference recorded
    #[arg(long, value_name = "DIR", default_value = "golden/tiny-7")]
    golden: PathBuf,
    /// The cases
    #[arg(long, value_name = "FILE", default_value = "golden/cases.toml")]
    cases: PathBuf,
    /// Only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    tolerances: TolerancesArg,
    /// Look into these networks too, and name the first layer that departs
    #[arg(long, value_name = "llm,flow,vocoder", value_delimiter = ',')]
    deep: Vec<Part>,
    /// What the reference recorded inside the networks; by default the golden's name with `-deep`
    #[arg(long, value_name = "DIR")]
    deep_golden: Option<PathBuf>,
    /// Folder for index.html, report.json, junit.xml and the two recordings
    #[arg(long, value_name = "DIR", default_value = "out/report")]
    out: PathBuf,
}

impl ReportArgs {
    fn look_inside(
        &self,
        recorder: &mut NativeRecorder,
        tolerances: &Tolerances,
    ) -> anyhow::Result<DeepReport> {
        let beside = || {
            let mut name = self.golden.clone().into_os_string();
            name.push("-deep");
            PathBuf::from(name)
        };
        let dir = self.deep_golden.clone().unwrap_or_else(beside);
        let golden = open_golden(&dir)?;
        Ok(look_inside(recorder, &golden, &self.deep, tolerances)?)
    }
}

/// Runs `parity report`.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.golden)?;
    let tolerances = args.tolerances.load(&args.golden)?;
    let cases = CaseFile::load(&args.cases)?.select(&args.names)?;
    let expected: Vec<_> = cases
        .cases
        .iter()
        .map(|c| RecordedCase::of(c, &cases))
        .collect::<Result<_, _>>()?;

    let mut recorder = args.engine.load()?;
    let bar = case_bar(cases.cases.len())?;
    let session = run_native(&mut recorder, &cases, &golden, |case| {
        bar.inc(u64::from(bar.message() != ""));
        bar.set_message(case.name.clone());
    });
    bar.finish_and_clear();
    for (case, error) in &session.failed {
        eprintln!("{case}: the engine failed: {error}");
    }
    session.isolated.write(args.out.join("isolated"))?;
    session.cascaded.write(args.out.join("cascaded"))?;

    let trial = Trial {
        golden: &golden,
        isolated: Some(&session.isolated),
        cascaded: Some(&session.cascaded),
        expected: Some(&expected),
        tolerances: &tolerances,
    };
    let (model, golden_dir) = (args.engine.model_dir.display(), args.golden.display());
    let mut report = report_from(&trial, |case| {
        format!("parity report --model-dir {model} --golden {golden_dir} --case {case}")
    })?;
    if !args.deep.is_empty() {
        report = report.with_deep(args.look_inside(&mut recorder, &tolerances)?);
    }
    write(&report, &args.out)?;
    if let Some(deep) = &report.deep {
        say(&deep_table(deep))?;
    }
    say(&table(&report))?;
    say(&format!(
        "report: {}\n",
        args.out.join("index.html").display()
    ))?;
    Ok(report.status())
}
