use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use native::model_dir::ModelDir;
use parity::checkup::{Checkup, check};
use parity::exit::Exit;
use parity::record::describe_model;
use parity::recording::{MANIFEST, Manifest, Reader, RecordingSource as _, amend_manifest};
use parity::stage::Stage;

use super::shared::{DEFAULT_GOLDEN, open_golden, say};

/// Check a recording by another program: what it has, what it lacks, what is wrong with its form.
///
/// Nothing is compared yet. Exit status: 0 it can be judged, 1 something has to be mended first,
/// 4 it has nothing that could be judged.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity check out/my-port\n  \
    parity check out/my-port --model-dir Fun-CosyVoice3-0.5B --golden golden/fun-cosyvoice3-0.5b\n\n\
    How a recording is written: parity/docs/formats/recording.md")]
pub struct CheckArgs {
    /// The recording
    recording: PathBuf,
    /// The golden that it will be held against
    #[arg(long, value_name = "DIR", default_value = DEFAULT_GOLDEN)]
    golden: PathBuf,
    /// The model that was used: the hashes of its files are written into a manifest without any
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
}

/// Runs `parity check`.
pub fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let golden = open_golden(&args.golden)?;
    let mut candidate = Reader::open_candidate(&args.recording, &golden)?;
    if let Some(model) = &args.model_dir {
        name_model(candidate.manifest(), &args.recording, model)?;
        candidate = Reader::open_candidate(&args.recording, &golden)?;
    }
    let checkup = check(&candidate, &golden)?;
    say(&words(&checkup, candidate.manifest(), args))?;
    Ok(match (checkup.wrong.is_empty(), checkup.is_judged()) {
        (false, _) => Exit::Usage,
        (true, false) => Exit::NothingCompared,
        (true, true) => Exit::Parity,
    })
}

/// Writes what the model's files are into the manifest.
fn name_model(manifest: &Manifest, dir: &Path, model: &Path) -> anyhow::Result<()> {
    let path = dir.join(MANIFEST);
    if manifest.is_sealed() {
        bail!(
            "{}: it is sealed, and says itself which model was used",
            path.display()
        );
    }
    if !manifest.model.files.is_empty() {
        bail!(
            "{}: it says already which model files were used; remove `model` to replace it",
            path.display()
        );
    }
    let mut info = describe_model(&ModelDir::open(model)?)?;
    if !manifest.model.id.is_empty() {
        info.id.clone_from(&manifest.model.id);
    }
    let fields = [("model".to_owned(), serde_json::to_value(info)?)];
    Ok(amend_manifest(dir, fields.into_iter().collect())?)
}

fn words(checkup: &Checkup, manifest: &Manifest, args: &CheckArgs) -> String {
    let mut out = String::new();
    let seal = match manifest.is_sealed() {
        true => "sealed",
        false => "no seal (hashes of its files), which it need not have",
    };
    let (of, has) = checkup.cases;
    let _ = writeln!(
        out,
        "{}: {}, {}, {} {}; {seal}\n{has} of {of} cases of {}",
        args.recording.display(),
        format!("{} {}", manifest.engine.name, manifest.engine.version).trim_end(),
        manifest.feed.name(),
        manifest.device,
        manifest.precision,
        args.golden.display()
    );
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{title}");
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
    };
    let with = |is: fn(usize) -> bool| {
        let stages = checkup.stages.iter().filter(move |(_, _, has)| is(*has));
        let line = |(stage, of, has): &(_, usize, usize)| {
            format!("{:<26} {has} of {of} cases", format!("{stage}"))
        };
        stages.map(line).collect::<Vec<_>>()
    };
    list("will be judged", with(|has| has > 0));
    list(
        "will be missing, which is never in parity",
        wrapped(&missing(checkup)),
    );
    list("cannot be told", checkup.notes.clone());
    list("to be mended first", checkup.wrong.clone());
    if checkup.wrong.is_empty() && checkup.is_judged() {
        let _ = writeln!(
            out,
            "\nnext: parity diff {} {}",
            args.golden.display(),
            args.recording.display()
        );
    } else if manifest.model.files.is_empty() {
        let _ = writeln!(
            out,
            "\nparity check {} --model-dir DIR writes the hashes of the model's files",
            args.recording.display()
        );
    }
    out
}

/// Columns of a list of names.
const WIDTH: usize = 76;

/// The stages of which no case has anything; the flow's steps as one.
fn missing(checkup: &Checkup) -> Vec<String> {
    let none = checkup.stages.iter().filter(|(_, _, has)| *has == 0);
    let names = none.map(|(stage, _, _)| match stage {
        Stage::FlowStep(_) => "flow.step.*".to_owned(),
        stage => stage.to_string(),
    });
    let mut names: Vec<_> = names.collect();
    names.dedup();
    names
}

fn wrapped(names: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + name.len() + 2 <= WIDTH => {
                line.push_str(", ");
                line.push_str(name);
            }
            _ => lines.push(name.clone()),
        }
    }
    lines
}
