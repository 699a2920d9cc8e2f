use anyhow::anyhow;
use clap::Args;
use parity::diagnosis::Cause;
use parity::exit::Exit;
use parity::suggest::hint;

use super::shared::say;

/// Say what a likely cause means, and how it is mended.
///
/// Without a name, lists all causes that a report can name.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  parity explain no-stop-ids")]
pub struct ExplainArgs {
    /// The cause, as a report names it
    cause: Option<String>,
}

/// Runs `parity explain`.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let known = Cause::ALL.iter().copied();
    let Some(name) = &args.cause else {
        let lines = known.map(|cause| format!("{:<20} {}\n", cause.name(), cause.words()));
        say(&lines.collect::<String>())?;
        return Ok(Exit::Parity);
    };
    let cause = known.clone().find(|cause| cause.name() == name);
    let cause = cause.ok_or_else(|| {
        let names: Vec<_> = known.map(|cause| cause.name().to_owned()).collect();
        anyhow!("unknown cause `{name}`: {}", hint(name, &names))
    })?;
    say(&format!("{}\n\n{}\n", cause.words(), cause.remedy()))?;
    Ok(Exit::Parity)
}
