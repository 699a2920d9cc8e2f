use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use native::engine::Engine;
use native::model_dir::ModelDir;
use parity::exit::Exit;
use parity::judge::Evaluation;
use parity::record::{GoldenWithPartings, NativeRecorder, describe_model};
use parity::recording::{Reader, RecordingSource as _};
use parity::report::{Rest, build_report, html};
use parity::stage::Feed;

use super::choice::{CasesArg, DeepArg, reproduce};
use super::shared::{DetailArgs, TolerancesArg, open_golden, say, write_page};

/// Diff two recordings and judge the difference.
///
/// A recording is a folder with a manifest.json, made by `parity record` or by any other program
/// (parity/docs/formats/recording.md). Whether the candidate was fed with the golden's inputs
/// (isolated) or its own (cascaded) stands in its manifest.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity diff golden/tiny-7 out/native\n  \
    parity diff golden/tiny-7 out/my-port --case chinese-short --html out/diff.html\n  \
    parity diff golden/tiny-7 out/my-port --deep\n  \
    parity diff out/cpu out/cuda --tolerances my-limits.toml\n  \
    parity diff golden/tiny-7 out/native --json | jq '.cases[].outcome.first_introduced'")]
pub struct DiffArgs {
    /// The recording that is right
    reference: PathBuf,
    /// The recording that is held against it
    candidate: PathBuf,
    #[command(flatten)]
    cases: CasesArg,
    #[command(flatten)]
    deep: DeepArg,
    /// The model that the reference was recorded with: tells of what rank a token is where a
    /// candidate parts [default: out/NAME, NAME being what the reference calls it, if it is there]
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// Write the report's page to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    detail: DetailArgs,
    #[command(flatten)]
    tolerances: TolerancesArg,
}

/// Runs `parity diff`.
pub fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.reference)?;
    let candidate = Reader::open_candidate(&args.candidate, &golden)?;
    let tolerances = args.tolerances.load(&args.reference)?;
    let feed = candidate.manifest().feed;
    let only = |wanted| (feed == wanted).then_some(&candidate as _);
    let expected = args.cases.of_golden(&golden)?;
    let names = match &expected {
        Some(cases) => cases.iter().map(|c| c.case.name.clone()).collect(),
        None => golden.manifest().cases.keys().cloned().collect(),
    };
    let told = with_partings(&golden, &candidate, names, args.model_dir.as_deref())?;
    let evaluation = Evaluation {
        golden: told.as_ref().map_or(&golden as _, |told| told as _),
        isolated: only(Feed::Isolated),
        cascaded: only(Feed::Cascaded),
        expected: expected.as_deref(),
        tolerances: &tolerances,
        anyway: false,
    };
    let (reference, other) = (args.reference.display(), args.candidate.display());
    let again = format!("parity diff {reference} {other}");
    let mut report = build_report(&evaluation, None, reproduce(candidate.manifest(), again))?;
    let layers = args
        .deep
        .compare(&args.reference, &args.candidate, &tolerances)?;
    if let Some(layers) = layers {
        report = report.with_layers(layers);
    }
    if let Some(path) = &args.html {
        write_page(path, &html(&report).map_err(anyhow::Error::msg)?)?;
    }
    let rest = match &args.html {
        Some(page) => Rest::Page(page),
        None => Rest::Options("--verbose prints them, --html FILE writes the page"),
    };
    args.detail.print(&report, rest)?;
    args.detail.print_layers(report.layers.as_ref())?;
    if let (Some(path), false) = (&args.html, args.detail.json) {
        say(&format!("\nwritten: {}\n", path.display()))?;
    }
    let told = report.told_case();
    if let (Some(case), None, false) = (told, &args.html, args.detail.json) {
        say(&format!(
            "\nnext, to see and hear it: parity diff {reference} {other} --case {case} --html \
             out/{case}.html\n"
        ))?;
    }
    Ok(report.status())
}

/// The golden with the logits of each place at which the candidate's tokens part from it, if the
/// model is at hand. One that was named must fit; without one, nothing is lost but ranks.
fn with_partings<'a>(
    golden: &'a Reader,
    candidate: &Reader,
    names: Vec<String>,
    named: Option<&Path>,
) -> anyhow::Result<Option<GoldenWithPartings<'a>>> {
    let usual = Path::new("out").join(&golden.manifest().model.id);
    let dir = named.unwrap_or(&usual);
    if named.is_none() && !dir.is_dir() {
        return Ok(None);
    }
    let partings = GoldenWithPartings::partings(golden, candidate, &names);
    if partings.is_empty() {
        return Ok(None);
    }
    let compute = || -> anyhow::Result<GoldenWithPartings<'a>> {
        let model = describe_model(&ModelDir::open(dir)?)?;
        if model.files != golden.manifest().model.files {
            bail!(
                "{}: is not the model that the reference was recorded with",
                dir.display()
            );
        }
        let builder = Engine::builder(dir);
        let mut recorder = NativeRecorder::load(builder, "cpu", "f32")?;
        recorder.match_torch_of(golden.manifest());
        Ok(GoldenWithPartings::new(golden, &partings, &mut recorder)?)
    };
    match (compute(), named) {
        (Ok(golden), _) => Ok(Some(golden)),
        (Err(error), Some(_)) => Err(error),
        (Err(error), None) => {
            let error = native::error_chain(error.as_ref());
            eprintln!("ranks of tokens are not told: {error}");
            Ok(None)
        }
    }
}
