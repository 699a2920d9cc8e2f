use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::Args;
use parity::doctor::{Check, ModelOptions, State, machine, model};
use parity::exit::Exit;

use super::engine::EngineArgs;
use super::shared::{say, say_json};

/// Check a model directory and this machine, before an hour is spent.
///
/// Every part of the model is loaded as the engine loads it: names and shapes of all tensors, inputs
/// of the ONNX networks, values of the configuration. What is missing or wrong is said with the way
/// out, and nothing hides anything else. Exit status 1 if something will not do.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity doctor --model-dir Fun-CosyVoice3-0.5B\n  \
    parity doctor --model-dir Fun-CosyVoice3-0.5B --json")]
pub struct DoctorArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// Where results would be written
    #[arg(long, value_name = "DIR", default_value = "out/report")]
    out: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
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
        text_rules: args.engine.text_rules.clone(),
        lm_weights: args.engine.lm_weights.unwrap_or_default(),
        precision: args.engine.precision,
    };
    let weights = model(&args.engine.model_dir, &options, &mut keep);
    machine(weights, &args.out).into_iter().for_each(&mut keep);
    failed?;
    let bad = checks.iter().filter(|c| c.state == State::Bad).count();
    if args.json {
        say_json(&checks)?;
    } else {
        let dir = args.engine.model_dir.display();
        say(&match bad {
            0 => format!("\n{dir}: ready\n"),
            1 => format!("\n{dir}: 1 thing will not do\n"),
            bad => format!("\n{dir}: {bad} things will not do\n"),
        })?;
    }
    Ok(if bad == 0 { Exit::Parity } else { Exit::Usage })
}

fn line(check: &Check) -> String {
    let style = match check.state {
        State::Good => AnsiColor::Green.on_default(),
        State::Notice => AnsiColor::Yellow.on_default(),
        State::Bad => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
    };
    let state = check.state.name();
    let mut out = format!(
        "{style}{state:<6}{style:#}  {:<16}  {}\n",
        check.what, check.found
    );
    if let Some(remedy) = &check.remedy {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:26}{remedy}", "");
    }
    out
}
