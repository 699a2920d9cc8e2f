use std::path::{Path, PathBuf};

use clap::Args;
use parity::certificate::certificate_schema;
use parity::exit::Exit;
use parity::report::{read, schema, write};

use super::shared::say;

/// Make the HTML and the JUnit file from a report.json.
///
/// The form of report.json is described by parity/docs/report.schema.json, which --schema prints.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  parity render out/report/report.json --out public")]
pub struct RenderArgs {
    /// The report
    #[arg(required_unless_present_any = ["schema", "certificate_schema"])]
    report: Option<PathBuf>,
    /// Print the JSON Schema of report.json instead
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Print the JSON Schema of certificates instead
    #[arg(long, exclusive = true)]
    certificate_schema: bool,
    /// Folder for the files; the report's own by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `parity render`.
pub fn run(args: &RenderArgs) -> anyhow::Result<Exit> {
    let Some(path) = &args.report else {
        say(&match args.certificate_schema {
            true => certificate_schema(),
            false => schema(),
        })?;
        return Ok(Exit::Parity);
    };
    let report = read(path)?;
    let own = path.parent().unwrap_or(Path::new(""));
    let out = args.out.as_deref().unwrap_or(own);
    write(&report, out)?;
    say(&format!("report: {}\n", out.join("index.html").display()))?;
    Ok(Exit::Parity)
}
