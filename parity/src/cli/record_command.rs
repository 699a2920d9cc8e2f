use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use parity::case::{Case, CaseFile};
use parity::exit::Exit;
use parity::record::command::{CommandEngine, quoted};
use parity::record::describe_model;
use parity::recording::{EngineInfo, Manifest, OpenWriter, RecordedCase};
use parity_atomic::Replacement;

use super::engine::{EngineArgs, case_bar};
use super::shared::say;

/// A program that is run once a case.
#[derive(Args, Debug)]
pub struct CommandArgs {
    /// The program's command line, with {text}, {prompt_text}, {instruct}, {prompt_wav},
    /// {source_wav}, {mode}, {seed}, {speed}, {stream}, {case}, {model_dir} and {out}, which are
    /// quoted for the shell. Cases that it is not told enough of are left out: without {mode} all
    /// but zero-shot ones, unless it has {instruct} or {source_wav}
    #[arg(long, value_name = "TEMPLATE")]
    pub command: Option<String>,
    /// How the report calls the program
    #[arg(long, value_name = "NAME", default_value = "command")]
    pub engine_name: String,
    /// Seconds that a case may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
}

/// The command line that runs one case again.
fn again(args: &CommandArgs, engine: &EngineArgs, cases: &Path, template: &str) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    format!(
        "parity record --engine command --engine-name {} --model-dir {} --cases {} --case {{case}} \
         --out out/again --command {}",
        quoted(&args.engine_name),
        path(&engine.model.model_dir),
        path(cases),
        quoted(template)
    )
}

/// The cases that the command can say; of the others, what it is not told of them is told here.
fn sayable<'a>(program: &CommandEngine, cases: &'a CaseFile) -> anyhow::Result<Vec<&'a Case>> {
    let mut sayable = Vec::new();
    let mut left_out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in &cases.cases {
        match program.lacks(case) {
            None => sayable.push(case),
            Some(placeholder) => left_out.entry(placeholder).or_default().push(&case.name),
        }
    }
    let mut lines = left_out.iter().map(|(placeholder, names)| {
        let (first, count) = (names.first().unwrap_or(&""), names.len());
        let cases = match count {
            1 => (*first).to_owned(),
            _ => format!("{count} cases, {first} first"),
        };
        format!("left out, since the command has no {placeholder}: {cases}")
    });
    if sayable.is_empty() {
        let why = lines.next().unwrap_or_else(|| "there are none".to_owned());
        bail!("no case can be said by the command; {why}");
    }
    lines.for_each(|line| eprintln!("{line}"));
    Ok(sayable)
}

/// Records the cases with a program. One that fails is named, and the others are kept.
pub fn run(
    args: &CommandArgs,
    engine: &EngineArgs,
    (cases, path): (&CaseFile, &Path),
    place: Replacement,
    out: &Path,
) -> anyhow::Result<Exit> {
    let template = args.command.as_deref().context(
        "--engine command needs --command, such as \
         'prog --text {text} --prompt-wav {prompt_wav} -o {out}'",
    )?;
    let program = CommandEngine::new(template, Duration::from_secs(args.timeout))?;
    if args.engine_name == "python" || args.engine_name == "native" {
        bail!(
            "--engine-name {} is taken: it is one of ours",
            args.engine_name
        );
    }
    // The program is taken to speak with this model: with another, nothing could be compared.
    let model = engine.model.open()?;
    let info = EngineInfo {
        name: args.engine_name.clone(),
        version: String::new(),
        commit: None,
        command: Some(again(args, engine, path, template)),
    };
    let mut manifest = Manifest::new(info, describe_model(&model)?);
    let weights = model.lm_weights(engine.lm_weights.unwrap_or_default())?;
    let file = weights
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    manifest.lm_weights = file;
    let sayable = sayable(&program, cases)?;
    let mut writer = OpenWriter::within(place, manifest);
    let bar = case_bar(sayable.len())?;
    let mut failed = 0;
    for (i, &case) in sayable.iter().enumerate() {
        bar.set_message(case.name.clone());
        // A bar is seen on a terminal alone.
        if bar.is_hidden() {
            eprintln!("{} of {}: {}", i + 1, sayable.len(), case.name);
        }
        match program.record(case, cases, &engine.model.model_dir) {
            Ok(told) => writer.case(&RecordedCase::of(case, cases)?, &told)?,
            Err(error) => {
                failed += 1;
                let error = native::error_chain(&error);
                bar.suspend(|| eprintln!("{}: {error}", case.name));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let recorded = sayable.len() - failed;
    if recorded == 0 {
        bail!("no case could be recorded: see above");
    }
    writer.finish()?;
    let shown = out.display();
    say(&format!(
        "{shown}: {recorded} case(s) recorded, {failed} failed\nnext: parity check {shown} --golden \
         GOLDEN\n"
    ))?;
    Ok(if failed == 0 {
        Exit::Parity
    } else {
        Exit::Incomplete
    })
}
