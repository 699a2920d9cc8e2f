use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use parity::exit::Exit;
use parity::report::{merge, read};

use super::shared::{OutputArgs, real};

/// Join the reports of shards into one.
///
/// Each was made with `parity report --shard I/N`, from the same golden and limits, with the same
/// engine and settings. If the report of a shard is missing, the run is incomplete: exit status 4.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    parity report --shard 1/2 --out out/1; parity report --shard 2/2 --out out/2\n  \
    parity merge out/1/report.json out/2/report.json --out out/report")]
pub struct MergeArgs {
    /// The report.json of every shard
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `parity merge`.
pub fn run(args: &MergeArgs) -> anyhow::Result<Exit> {
    let earlier = args.output.earlier()?;
    let reports = args.reports.iter().map(|path| read(path));
    let out = real(&args.output.out.join("report.json"))?;
    for path in &args.reports {
        if real(path)? == out {
            bail!(
                "--out {} holds {}, a shard that would be overwritten: choose another folder",
                args.output.out.display(),
                path.display()
            );
        }
    }
    let _claimed = args.output.claim(&[])?;
    let mut report = merge(reports.collect::<Result<_, _>>()?)?;
    args.output.publish(&mut report, earlier.as_ref())?;
    Ok(report.status())
}
