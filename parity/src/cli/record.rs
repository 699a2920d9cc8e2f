use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::judge::Evaluation;
#[cfg(feature = "record")]
use parity::judge::Tolerances;
use parity::record::kept_or;
use parity::recording::{
    MANIFEST, ModelInfo, Reader, RecordedCase, RecordingSource as _, RunShard, Writer, add_settings,
};
use parity::report::{Detail, Rest, build_report, table};
use parity::stage::Feed;
use parity_atomic::Replacement;

use super::engine::{EngineArgs, case_bar};
use super::record_command::{self, CommandArgs};
use super::share::ShareArgs;
use super::shared::{CaseFileArgs, TolerancesArg, keep_apart, open_golden, say};

/// Record what an engine produces for the cases.
///
/// A golden is a recording by the Python reference that is kept. If --out already holds a
/// recording, the new one is held against it first: where they agree, the old one stays as it is.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity record --engine native --out out/native\n  \
    parity record --engine python --cosyvoice-root ../CosyVoice --out golden/tiny-7\n  \
    parity record --engine native --shard 2/8 --keep out/kept --out out/native-2\n  \
    parity record --engine command --engine-name my-port --out out/my-port \\\n      \
    --command 'my-port --text {text} --prompt-wav {prompt_wav} --seed {seed} -o {out}'\n\n\
    A program that prints {\"tokens\": [...]} has its tokens judged too.\n\
    The Python engine needs a build with --features record; `make golden` does all of it.")]
pub struct RecordArgs {
    /// Who synthesises
    #[arg(long, value_enum)]
    engine: EngineName,
    #[command(flatten)]
    native: EngineArgs,
    #[command(flatten)]
    command: CommandArgs,
    /// Feed every stage of the native engine from this golden
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    #[cfg(feature = "record")]
    #[command(flatten)]
    python: super::record_python::PythonArgs,
    #[command(flatten)]
    cases: CaseFileArgs,
    #[command(flatten)]
    share: ShareArgs,
    #[command(flatten)]
    tolerances: TolerancesArg,
    /// The recording to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the recording that is there, even if the new one has fewer cases
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Native,
    Python,
    /// Any program; see --command
    Command,
}

/// Runs `parity record`.
pub fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let mut cases = args.cases.load()?;
    let mut inputs = vec![(
        "the model's directory",
        args.native.model.model_dir.as_path(),
    )];
    inputs.extend(args.golden.as_deref().map(|dir| ("the golden", dir)));
    keep_apart("--out", &args.out, &inputs)?;
    let shard = args.share.select(&mut cases);
    if cases.cases.is_empty() {
        bail!("there is no case to record: use fewer shards than there are cases");
    }
    let place = Writer::reserve(&args.out)?;
    let earlier = place.target().join(MANIFEST).exists();
    refuse_other_shard(args, earlier, shard.as_ref())?;
    if earlier && !args.cases.all() && !args.force {
        bail!(
            "{} holds a whole recording, which one of a few cases must not replace: \
             record them into another folder, or pass --force",
            args.out.display()
        );
    }
    // It waits beside the old one until it is known whether it replaces that.
    let fresh = match args.engine {
        EngineName::Command => {
            if args.share.shard().is_some() || args.share.keep.is_some() {
                bail!(
                    "--engine command supports neither --shard nor --keep: record some cases with \
                     --case, each part into its own folder"
                );
            }
            return record_command::run(
                &args.command,
                &args.native,
                (&cases, &args.cases.cases),
                place,
                &args.out,
            );
        }
        EngineName::Native => record_native(args, &cases, shard, &inputs, place)?,
        EngineName::Python => record_python(args, &cases, shard, &inputs, place)?,
    };
    if earlier && !args.force {
        return settle(args, fresh);
    }
    fresh.finish()?;
    say(&format!(
        "{}: {} case(s) recorded\n",
        args.out.display(),
        cases.cases.len()
    ))?;
    Ok(Exit::Parity)
}

/// A part of a run must not take the place of all of it, or of another part.
fn refuse_other_shard(
    args: &RecordArgs,
    earlier: bool,
    shard: Option<&RunShard>,
) -> anyhow::Result<()> {
    let Some(shard) = shard.filter(|_| earlier && !args.force) else {
        return Ok(());
    };
    let there = Reader::open(&args.out);
    let same = there.is_ok_and(|there| {
        let was = there.manifest().shard.as_ref();
        was.is_some_and(|was| was.shard == shard.shard)
    });
    if !same {
        bail!(
            "{} holds another recording than that of shard {}, which must not replace it: record \
             into another folder, or pass --force",
            args.out.display(),
            shard.shard
        );
    }
    Ok(())
}

fn record_native(
    args: &RecordArgs,
    cases: &CaseFile,
    shard: Option<RunShard>,
    inputs: &[(&str, &Path)],
    place: Replacement,
) -> anyhow::Result<Replacement> {
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
    manifest.shard = shard;
    let fed_by = golden.as_ref().map(|golden| golden.manifest());
    let kept = args.share.kept_native(inputs, &args.native, fed_by)?;
    let mut writer = Writer::within(place, manifest.clone());
    let bar = case_bar(cases.cases.len())?;
    for case in &cases.cases {
        bar.set_message(case.name.clone());
        let recorded = RecordedCase::of(case, cases)?;
        let kept = kept.as_ref().map(|kept| (kept, &recorded));
        let record = kept_or(kept, &manifest, || match &golden {
            Some(golden) => recorder.isolated(case, cases, &*golden.golden_case(&case.name)?),
            None => recorder.cascaded(case, cases),
        })?;
        writer.case(&record)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(writer.seal()?)
}

#[cfg(feature = "record")]
fn record_python(
    args: &RecordArgs,
    cases: &CaseFile,
    shard: Option<RunShard>,
    inputs: &[(&str, &Path)],
    place: Replacement,
) -> anyhow::Result<Replacement> {
    let limits = args.tolerances.find(&args.out).map(Tolerances::load);
    let pins = limits.transpose()?.map(|limits| limits.reference);
    let pins = pins.unwrap_or_default();
    let share = super::record_python::Share {
        args: &args.share,
        shard,
        inputs,
    };
    super::record_python::run(&args.python, &args.native, &pins, cases, share, place)
}

#[cfg(not(feature = "record"))]
fn record_python(
    _: &RecordArgs,
    _: &CaseFile,
    _: Option<RunShard>,
    _: &[(&str, &Path)],
    _: Replacement,
) -> anyhow::Result<Replacement> {
    bail!(
        "this program was built without the Python recorder: use `make golden`, or build it with \
         --features record"
    )
}

/// Keeps the recording that was there if the new one agrees with it, and replaces it otherwise.
fn settle(args: &RecordArgs, fresh: Replacement) -> anyhow::Result<Exit> {
    let out = args.out.display();
    let model = Reader::open(fresh.path())?.manifest().model.clone();
    let verdict = match Reader::open(&args.out) {
        Err(e) => Some(format!(
            "the recording that was there cannot be used: {e}\n"
        )),
        Ok(old) => changes(args, &old, &Reader::open(fresh.path())?)?,
    };
    let Some(changed) = verdict else {
        drop(fresh);
        add_missing_settings(&args.out, &model)?;
        say(&format!(
            "{out}: reproduced; the recording that was there is kept\n"
        ))?;
        return Ok(Exit::Parity);
    };
    say(&changed)?;
    fresh.finish()?;
    say(&format!("{out}: replaced by the new recording\n"))?;
    Ok(Exit::Parity)
}

fn add_missing_settings(dir: &Path, model: &ModelInfo) -> anyhow::Result<()> {
    let is_stated = !Reader::open(dir)?.manifest().model.settings.is_empty();
    if !is_stated && !model.settings.is_empty() {
        add_settings(dir, model)?;
        say("its manifest now states the model's settings\n")?;
    }
    Ok(())
}

/// What is different in the new recording; `None` if it reproduces the old one.
fn changes(args: &RecordArgs, old: &Reader, new: &Reader) -> anyhow::Result<Option<String>> {
    let (was, is) = (old.manifest(), new.manifest());
    if was.cases == is.cases && was.model.files == is.model.files {
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
        anyway: false,
    };
    let report = build_report(&evaluation, None, |_| String::new())?;
    let agrees = report.status() == Exit::Parity;
    if agrees {
        say("the same texts and tokens, and tensors within float noise\n")?;
    }
    Ok((!agrees).then(|| {
        table(
            &report,
            Detail::Normal,
            Rest::Options("only the first are shown"),
        )
    }))
}
