use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use clap::Args;
use parity::case::Keep;
use parity::doctor::{Check, ModelOptions, PythonOptions, State, machine, model, python};
use parity::exit::Exit;

use super::engine::{EngineArgs, case_bar};
use super::python_package::PythonPackageArg;
use super::shared::{CaseFileArgs, DEFAULT_GOLDEN, TolerancesArg, open_golden, say, say_json};

/// Check a model directory, this machine, and a Python, before an hour is spent.
///
/// Every part of the model is loaded as the engine loads it: names and shapes of all tensors, inputs
/// of the ONNX networks, values of the configuration. What is missing or wrong is said with the way
/// out, and nothing hides anything else. Exit status 1 if something will not do.
///
/// With --python-env, the Python reference says some cases in that environment, which are held
/// against what it says in the pinned one: where speech went wrong after an upgrade, the first
/// stage that differs is named, and the library to blame. Without --case, those cases are said that
/// have a sound and are not streamed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity doctor --model-dir Fun-CosyVoice3-0.5B\n  \
    parity doctor --model-dir Fun-CosyVoice3-0.5B --json\n  \
    parity doctor --python-env ~/.venv --cosyvoice-root ../CosyVoice")]
pub struct DoctorArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// Where results would be written
    #[arg(long, value_name = "DIR", default_value = "out/report")]
    out: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// A Python to examine.
#[derive(Args, Debug)]
struct PythonArgs {
    /// An environment with CosyVoice's packages, or an interpreter, to hold against the golden
    #[arg(long, value_name = "DIR", requires = "cosyvoice_root")]
    python_env: Option<PathBuf>,
    /// The CosyVoice checkout, with its submodules
    #[arg(long, value_name = "DIR", env = "COSYVOICE_ROOT")]
    cosyvoice_root: Option<PathBuf>,
    #[command(flatten)]
    package: PythonPackageArg,
    /// What the reference recorded with the model, in the pinned environment
    #[arg(long, value_name = "DIR", default_value = DEFAULT_GOLDEN)]
    golden: PathBuf,
    #[command(flatten)]
    cases: CaseFileArgs,
    #[command(flatten)]
    tolerances: TolerancesArg,
}

/// Runs `parity doctor`.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let mut checks = Vec::new();
    let mut failed = Ok(());
    let mut keep = |check: Check| {
        if !args.json && failed.is_ok() {
            failed = say(&line(&check));
        }
        checks.push(check);
    };
    let options = ModelOptions {
        text_rules: args.engine.model.text_rules.clone(),
        lm_weights: args.engine.lm_weights.unwrap_or_default(),
        precision: args.engine.precision,
    };
    let weights = model(&args.engine.model.model_dir, &options, &mut keep);
    machine(weights, &args.out).into_iter().for_each(&mut keep);
    if let Some(env) = &args.python.python_env {
        examine(args, env)?.into_iter().for_each(&mut keep);
    }
    failed?;
    let bad = checks.iter().filter(|c| c.state == State::Bad).count();
    if args.json {
        say_json(&checks)?;
    } else {
        let dir = args.engine.model.model_dir.display();
        say(&match bad {
            0 => format!("\n{dir}: ready\n"),
            1 => format!("\n{dir}: 1 thing will not do\n"),
            bad => format!("\n{dir}: {bad} things will not do\n"),
        })?;
    }
    Ok(if bad == 0 { Exit::Parity } else { Exit::Usage })
}

/// Holds a Python against the golden.
fn examine(args: &DoctorArgs, env: &Path) -> anyhow::Result<Vec<Check>> {
    let golden = open_golden(&args.python.golden)?;
    let cases = args.python.cases.load()?;
    let all = args.python.cases.all();
    let wanted = cases.cases.iter();
    let wanted = wanted.filter(|c| !all || (c.keep != Keep::Tokens && !c.stream));
    let names: Vec<_> = wanted.map(|case| case.name.clone()).collect();
    let folder = tempfile::tempdir()?;
    let options = PythonOptions {
        env: env.to_owned(),
        root: args.python.cosyvoice_root.clone().unwrap_or_default(),
        package: args.python.package.find()?,
        cases: args.python.cases.cases.clone(),
        out: folder.path().join("recording"),
        names,
    };
    let tolerances = args.python.tolerances.load(&args.python.golden)?;
    let bar = case_bar(options.names.len())?;
    bar.set_message("loading the reference");
    let checks = python(
        &options,
        &args.engine.model.open()?,
        &golden,
        &tolerances,
        |name| {
            bar.inc(1);
            bar.set_message(name.to_owned());
        },
    )?;
    bar.finish_and_clear();
    Ok(checks)
}

fn line(check: &Check) -> String {
    let style = match check.state {
        State::Good => AnsiColor::Green.on_default(),
        State::Notice => AnsiColor::Yellow.on_default(),
        State::Bad => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
    };
    let state = check.state.name();
    let mut out = format!(
        "{style}{state:<6}{style:#}  {:<21}  {}\n",
        check.what, check.found
    );
    if let Some(remedy) = &check.remedy {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:31}{remedy}", "");
    }
    out
}
