use std::path::{Path, PathBuf};

use clap::Args;
use native::model_dir::LmWeights;
use parity::exit::Exit;
use parity::judge::{Evaluation, Tolerances, candidate_misfits, misfits};
use parity::layers::{LayerReport, Network, compare_layers};
use parity::record::{NativeRecorder, run_native};
use parity::recording::{Error, RecordedCase, RecordingSource as _, Writer};
use parity::report::{Report, build_report};
use parity::samples::{DrawsSummary, Samples, Settings, compare};
use parity::stage::Feed;

use super::engine::{EngineArgs, ModelArgs, case_bar};
use super::sample::{Seeds, golden_cases, native};
use super::share::ShareArgs;
use super::shared::{
    CaseFileArgs, CertificateArg, DEFAULT_CASES, DEFAULT_GOLDEN, GoldenFault, OutputArgs,
    TensorsArg, TolerancesArg, open_golden,
};
use super::text::{read_corpus, summarise};

/// Run the native engine against a golden, and report how far apart they are.
///
/// Every case is run twice: each stage alone on the golden's inputs (isolated), and from the text
/// and the sound file to speech (cascaded). A stage that fails isolated introduced an error; one
/// that fails only cascaded inherited it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity report\n  \
    parity report --case english-short\n  \
    parity report --baseline last-week/report.json\n  \
    parity report --shard 2/8 --out out/2 --keep out/kept\n  \
    parity report --layers llm\n  \
    parity report --precision q8 --certificate out/q8.json\n  \
    parity report --model-dir Fun-CosyVoice3-0.5B --golden golden/fun-cosyvoice3-0.5b --device cuda")]
pub struct ReportArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// What the reference recorded
    #[arg(long, value_name = "DIR", default_value = DEFAULT_GOLDEN)]
    golden: PathBuf,
    #[command(flatten)]
    cases: CaseFileArgs,
    /// Texts with what the reference made of them
    #[arg(long, value_name = "DIR", default_value = "golden/text")]
    text_corpus: PathBuf,
    #[command(flatten)]
    tolerances: TolerancesArg,
    #[command(flatten)]
    share: ShareArgs,
    /// Compare the layers of these networks too, and name the first one that departs
    #[arg(
        long,
        alias = "deep",
        value_name = "llm,flow,vocoder",
        value_delimiter = ','
    )]
    layers: Vec<Network>,
    /// The reference's recording of the layers [default: the golden's name with `-layers`]
    #[arg(long, alias = "deep-golden", value_name = "DIR")]
    layers_golden: Option<PathBuf>,
    /// Draw the texts of these samples with many seeds, and compare how they are distributed, as `parity
    /// sample --against` does
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
    /// Judge although the golden is stale, by another model or another reference: marked all over
    /// the report, and never parity
    #[arg(long)]
    anyway: bool,
    #[command(flatten)]
    tensors: TensorsArg,
    #[command(flatten)]
    certificate: CertificateArg,
    #[command(flatten)]
    output: OutputArgs,
}

impl ReportArgs {
    /// The reference's recording of the layers.
    fn layers_golden(&self) -> PathBuf {
        let beside = || {
            let mut name = self.golden.clone().into_os_string();
            name.push("-layers");
            PathBuf::from(name)
        };
        self.layers_golden.clone().unwrap_or_else(beside)
    }

    fn compare_layers(
        &self,
        recorder: &mut NativeRecorder,
        tolerances: &Tolerances,
    ) -> anyhow::Result<LayerReport> {
        let golden = open_golden(&self.layers_golden())?;
        Ok(compare_layers(recorder, &golden, &self.layers, tolerances)?)
    }
}

/// The golden is not of this model or not of a pinned reference, which has an exit status of its
/// own.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is stale, and nothing was synthesised: {}. Take the model that it was recorded with, or \
     record it again (`make golden`; --out of `parity record` for another one); --anyway judges all the \
     same",
    golden.display(), reasons.join("; ")
)]
pub struct Stale {
    golden: PathBuf,
    reasons: Vec<String>,
}

/// Runs `parity report`.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.golden)?;
    let tolerances = args.tolerances.load(&args.golden)?;
    // Before minutes of work: they may be damaged.
    let samples = args.samples.as_deref().map(Samples::read).transpose();
    let samples = samples.map_err(GoldenFault)?;
    let earlier = args.output.earlier()?;
    let mut cases = args.cases.load()?;
    let expected: Vec<_> = cases
        .cases
        .iter()
        .map(|c| RecordedCase::of(c, &cases))
        .collect::<Result<_, _>>()?;

    args.share.select(&mut cases);
    // Before minutes of work: two runs in one folder would mix, and it may be forbidden.
    let out = &args.output.out;
    let layers_golden = args.layers_golden();
    let inputs: [(&str, &Path); 4] = [
        ("the golden", &args.golden),
        ("the golden of the layers", &layers_golden),
        ("the model's directory", &args.engine.model.model_dir),
        ("the text corpus", &args.text_corpus),
    ];
    let _claimed = args.output.claim(&inputs)?;
    let isolated = Writer::reserve(out.join("isolated"))?;
    let cascaded = Writer::reserve(out.join("cascaded"))?;

    let mut recorder = args.engine.load()?;
    // Once, and before minutes of work: every case would be stale.
    let manifest = recorder.manifest(Feed::Cascaded);
    let pinned = misfits(golden.manifest(), &tolerances.reference);
    let reasons = [pinned, candidate_misfits(&golden, &manifest)].concat();
    if !reasons.is_empty() && !args.anyway {
        return Err(Stale {
            golden: args.golden.clone(),
            reasons,
        }
        .into());
    }
    let manifest = Some(golden.manifest());
    let kept = args.share.kept_native(&inputs, &args.engine, manifest)?;
    let bar = case_bar(cases.cases.len())?;
    let session = run_native(&mut recorder, &cases, &golden, kept.as_ref(), |case| {
        bar.inc(u64::from(bar.message() != ""));
        bar.set_message(case.name.clone());
    });
    bar.finish_and_clear();
    for (case, error) in &session.failed {
        eprintln!("{case}: the engine failed: {error}");
    }
    session.isolated.write_to(isolated)?;
    session.cascaded.write_to(cascaded)?;

    let evaluation = Evaluation {
        golden: &golden,
        isolated: Some(&session.isolated),
        cascaded: Some(&session.cascaded),
        expected: Some(&expected),
        tolerances: &tolerances,
        anyway: args.anyway,
    };
    let again = args.again();
    let mut report = build_report(&evaluation, args.share.shard(), |case| {
        format!("{again} --case {case}")
    })?;
    args.tensors.write(&mut report, &evaluation, out)?;
    // Layers have a golden of their own, which the first shard compares for all of them.
    let first = args.share.shard().is_none_or(|s| s.index == 1);
    if first && !args.layers.is_empty() {
        report = report.with_layers(args.compare_layers(&mut recorder, &tolerances)?);
    }
    report = with_text_corpus(report, args)?;
    if let (true, Some(golden)) = (first, &samples) {
        report = report.with_draws(args.draw(&mut recorder, golden)?);
    }
    args.output.detail.print_layers(report.layers.as_ref())?;
    let certificate = args.certificate.write(&report, &evaluation, true)?;
    args.output
        .publish(&mut report, earlier.as_ref(), certificate.as_deref())?;
    Ok(report.status())
}

impl ReportArgs {
    /// Draws the texts of `golden` with as many seeds, and compares.
    fn draw(
        &self,
        recorder: &mut NativeRecorder,
        golden: &Samples,
    ) -> anyhow::Result<DrawsSummary> {
        let cases = golden_cases(&self.cases.cases, golden)?;
        let bar = case_bar(cases.cases.len())?;
        let drawn = native(
            recorder,
            &cases,
            Some(golden),
            (&Seeds::default(), None),
            |name| {
                bar.inc(1);
                bar.set_message(format!("{name}: many seeds"));
            },
        )?;
        bar.finish_and_clear();
        let comparison = compare(golden, &drawn, &Settings::default())?;
        let folder = self.samples.as_deref().unwrap_or(Path::new(""));
        Ok(DrawsSummary::of(&comparison, folder.display().to_string()))
    }

    /// The command line that does the same, without the choice of cases.
    fn again(&self) -> String {
        let EngineArgs {
            model,
            device,
            precision,
            kernels,
            lm_weights,
        } = &self.engine;
        let ModelArgs {
            model_dir,
            text_rules,
        } = model;
        let (model, golden) = (model_dir.display(), self.golden.display());
        let mut line = format!("parity report --model-dir {model} --golden {golden}");
        let options = [
            (
                "--cases",
                self.cases.cases.display().to_string(),
                DEFAULT_CASES,
            ),
            ("--device", device.to_string(), "cpu"),
            ("--precision", precision.to_string(), "f32"),
            ("--kernels", kernels.to_string(), "own"),
        ];
        for (flag, value, usual) in options {
            if value != usual {
                line += &format!(" {flag} {value}");
            }
        }
        if let Some(file) = lm_weights.and_then(LmWeights::file_name) {
            line += &format!(" --lm-weights {file}");
        }
        if let Some(folder) = text_rules {
            line += &format!(" --text-rules {}", folder.display());
        }
        if let Some(file) = self.tolerances.given() {
            line += &format!(" --tolerances {}", file.display());
        }
        line
    }
}

/// Adds the recorded texts to a report of all cases, or why they were not compared.
fn with_text_corpus(mut report: Report, args: &ReportArgs) -> anyhow::Result<Report> {
    let why_not = if args.cases.all() {
        match read_corpus(&args.text_corpus) {
            Ok(corpus) => {
                match summarise(&corpus, &args.engine.model.open()?, args.share.shard()) {
                    Ok(summary) => return Ok(report.with_text_corpus(summary)),
                    // Another model has other goldens, and may have no recorded texts.
                    Err(e) if e.is::<GoldenFault>() => e.to_string(),
                    Err(e) => return Err(e),
                }
            }
            Err(e) if matches!(e.0, Error::Missing { .. }) => e.to_string(),
            Err(e) => return Err(e.into()),
        }
    } else {
        "they belong to a run of all cases".to_owned()
    };
    // Before what single cases do not cover, as in a merged report.
    let line = format!("the recorded texts: {why_not}");
    report.not_covered.insert(0, line);
    Ok(report)
}
