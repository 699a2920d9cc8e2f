use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use parity::atomic;
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::judge::Evaluation;
use parity::recording::{MANIFEST, Reader, RecordingSource as _, Writer};
use parity::report::{Detail, build_report, table};
use parity::stage::Feed;

use super::engine::{EngineArgs, case_bar};
use super::shared::{TolerancesArg, open_golden, say};

/// Record what an engine produces for the cases.
///
/// A golden is a recording by the Python reference that is kept. If --out already holds a
/// recording, the new one is held against it first: where they agree, the old one stays as it is.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity record --engine native --out out/native\n  \
    parity record --engine python --cosyvoice-root ../CosyVoice --out golden/tiny-7\n\n\
    The Python engine needs a build with --features record; `make golden` does all of it.")]
pub struct RecordArgs {
    /// Who synthesises
    #[arg(long, value_enum)]
    engine: EngineName,
    #[command(flatten)]
    native: EngineArgs,
    /// Feed every stage of the native engine from this golden
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    #[cfg(feature = "record")]
    #[command(flatten)]
    python: super::record_python::PythonArgs,
    /// The cases
    #[arg(long, value_name = "FILE", default_value = "golden/cases.toml")]
    cases: PathBuf,
    /// Only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    tolerances: TolerancesArg,
    /// The recording to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Native,
    Python,
}

/// Runs `parity record`.
pub fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let cases = CaseFile::load(&args.cases)?.select(&args.names)?;
    let earlier = args.out.join(MANIFEST).exists();
    if earlier && !args.names.is_empty() {
        bail!(
            "{} holds a whole recording, which one of a few cases must not replace: \
             record them into another folder",
            args.out.display()
        );
    }
    let fresh = if earlier {
        beside(&args.out)?
    } else {
        args.out.clone()
    };
    match args.engine {
        EngineName::Native => record_native(args, &cases, &fresh)?,
        EngineName::Python => record_python(args, &cases, &fresh)?,
    }
    if earlier {
        settle(args, &fresh)
    } else {
        Ok(Exit::Parity)
    }
}

/// Where the new recording waits until it is known whether it replaces the old one.
fn beside(out: &Path) -> anyhow::Result<PathBuf> {
    let name = out.file_name().context("--out names no folder")?;
    Ok(out.with_file_name(format!("{}.new", name.to_string_lossy())))
}

fn record_native(args: &RecordArgs, cases: &CaseFile, out: &Path) -> anyhow::Result<()> {
    let mut recorder = args.native.load()?;
    let golden = args.golden.as_deref().map(open_golden).transpose()?;
    let feed = if golden.is_some() {
        Feed::Isolated
    } else {
        Feed::Cascaded
    };
    let mut manifest = recorder.manifest(feed);
    if let Some(golden) = &golden {
        recorder.match_torch_of(golden.manifest());
        manifest.fed_from = golden.manifest_sha256().map(str::to_owned);
    }
    let mut writer = Writer::create(out, manifest)?;
    let bar = case_bar(cases.cases.len())?;
    for case in &cases.cases {
        bar.set_message(case.name.clone());
        let record = match &golden {
            Some(golden) => recorder.isolated(case, cases, &*golden.golden_case(&case.name)?)?,
            None => recorder.cascaded(case, cases)?,
        };
        writer.case(&record)?;
        bar.inc(1);
    }
    writer.finish()?;
    bar.finish_and_clear();
    say(&format!(
        "{}: {} case(s) recorded\n",
        out.display(),
        cases.cases.len()
    ))
}

#[cfg(feature = "record")]
fn record_python(args: &RecordArgs, cases: &CaseFile, out: &Path) -> anyhow::Result<()> {
    super::record_python::run(&args.python, &args.native, cases, out)
}

#[cfg(not(feature = "record"))]
fn record_python(_: &RecordArgs, _: &CaseFile, _: &Path) -> anyhow::Result<()> {
    bail!(
        "this program was built without the Python recorder: use `make golden`, or build it with \
         --features record"
    )
}

/// Keeps the recording that was there if the new one agrees with it, and replaces it otherwise.
fn settle(args: &RecordArgs, fresh: &Path) -> anyhow::Result<Exit> {
    let out = args.out.display();
    let verdict = match Reader::open(&args.out) {
        Err(e) => Some(format!(
            "the recording that was there cannot be used: {e}\n"
        )),
        Ok(old) => changes(args, &old, &Reader::open(fresh)?)?,
    };
    let Some(changed) = verdict else {
        std::fs::remove_dir_all(fresh).with_context(|| fresh.display().to_string())?;
        say(&format!(
            "{out}: reproduced; the recording that was there is kept\n"
        ))?;
        return Ok(Exit::Parity);
    };
    say(&changed)?;
    atomic::replace_folder(fresh, &args.out)?;
    say(&format!("{out}: replaced by the new recording\n"))?;
    Ok(Exit::Parity)
}

/// What is different in the new recording; `None` if it reproduces the old one.
fn changes(args: &RecordArgs, old: &Reader, new: &Reader) -> anyhow::Result<Option<String>> {
    let (was, is) = (old.manifest(), new.manifest());
    if was.cases == is.cases && was.model == is.model {
        say("bit for bit what was there\n")?;
        return Ok(None);
    }
    if was.cases.keys().ne(is.cases.keys()) {
        return Ok(Some("the cases are others than before\n".into()));
    }
    let tolerances = args.tolerances.load(&args.out)?;
    let evaluation = Evaluation {
        golden: old,
        isolated: None,
        cascaded: Some(new),
        expected: None,
        tolerances: &tolerances,
    };
    let report = build_report(&evaluation, None, |_| String::new())?;
    let agrees = report.status() == Exit::Parity;
    if agrees {
        say("the same texts and tokens, and tensors within float noise\n")?;
    }
    Ok((!agrees).then(|| table(&report, Detail::Normal)))
}
