use std::path::{Path, PathBuf};

use clap::Args;
use parity::exit::Exit;
use parity::report::{read, write};

use super::shared::say;

/// Make the HTML and the JUnit file from a report.json.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  parity render out/report/report.json --out public")]
pub struct RenderArgs {
    /// The report
    report: PathBuf,
    /// Folder for the files; the report's own by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `parity render`.
pub fn run(args: &RenderArgs) -> anyhow::Result<Exit> {
    let report = read(&args.report)?;
    let own = args.report.parent().unwrap_or(Path::new(""));
    let out = args.out.as_deref().unwrap_or(own);
    write(&report, out)?;
    say(&format!("report: {}\n", out.join("index.html").display()))?;
    Ok(Exit::Parity)
}
