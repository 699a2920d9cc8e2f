use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use parity::exit::Exit;
use parity::recording::{MANIFEST, Reader, Writer, join};
use parity::report::{Report, merge, read};

use super::shared::{DEFAULT_REPORT, OutputArgs, keep_apart, real, say};

/// Join what the shards of a run have made into one: reports into a report, or recordings into a
/// recording.
///
/// Each was made with --shard I/N of `parity report` or `parity record`, of the same cases, with the
/// same engine and settings. Nothing may be missing and nothing there twice. The joined report is
/// that of one run on one machine, but for the times of its making; with SOURCE_DATE_EPOCH set for
/// all of them, it is the same to the byte.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity report --shard 1/2 --out out/1; parity report --shard 2/2 --out out/2\n  \
    parity merge out/1 out/2 --out out/report\n  \
    parity merge out/native-1 out/native-2 --out out/native")]
pub struct MergeArgs {
    /// What every shard has made: its report.json or the folder of it, or its recording
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Join the reports although one is missing: the missing shards are named in the report, whose
    /// verdict is that the run is incomplete (exit status 4)
    #[arg(long)]
    incomplete: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `parity merge`.
pub fn run(args: &MergeArgs) -> anyhow::Result<Exit> {
    let recordings = args
        .shards
        .iter()
        .filter(|path| path.join(MANIFEST).is_file());
    match recordings.count() {
        0 => merge_reports(args),
        all if all == args.shards.len() => merge_recordings(args),
        _ => bail!("some of these are recordings and others are not: merge each kind on its own"),
    }
}

fn merge_reports(args: &MergeArgs) -> anyhow::Result<Exit> {
    let earlier = args.output.earlier()?;
    let file = |path: &PathBuf| match path.is_dir() {
        true => path.join("report.json"),
        false => path.clone(),
    };
    let paths: Vec<_> = args.shards.iter().map(file).collect();
    let reports = paths.iter().map(|path| read(path));
    let out = real(&args.output.out.join("report.json"))?;
    for path in &paths {
        if real(path)? == out {
            bail!(
                "--out {} holds {}, a shard that would be overwritten: choose another folder",
                args.output.out.display(),
                path.display()
            );
        }
    }
    let mut report = merge(reports.collect::<Result<_, _>>()?)?;
    if !args.incomplete {
        refuse_gaps(&report)?;
    }
    let _claimed = args.output.claim(&[])?;
    args.output.publish(&mut report, earlier.as_ref(), None)?;
    Ok(report.status())
}

/// A part of the run is missing, which has an exit status of its own.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing was written, because the run is incomplete: {}. Run what is missing and merge again, or \
     pass --incomplete for a report of the rest",
    missing.join("; ")
)]
pub struct Incomplete {
    missing: Vec<String>,
}

fn refuse_gaps(report: &Report) -> Result<(), Incomplete> {
    /// More are not listed.
    const SHOWN: usize = 5;
    let mut missing = report.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(SHOWN);
    missing.truncate(SHOWN);
    if more > 0 {
        missing.push(format!("and {more} more"));
    }
    Err(Incomplete { missing })
}

fn merge_recordings(args: &MergeArgs) -> anyhow::Result<Exit> {
    let out = &args.output.out;
    if out == Path::new(DEFAULT_REPORT) {
        bail!("name the folder of the joined recording with --out");
    }
    let inputs = args.shards.iter().map(|dir| ("a shard", dir.as_path()));
    keep_apart("--out", out, &inputs.collect::<Vec<_>>())?;
    if out.join(MANIFEST).exists() {
        bail!(
            "{} holds a recording already: choose another folder, or remove it",
            out.display()
        );
    }
    let parts = args.shards.iter().map(Reader::open);
    let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
    let cases = join(&parts, Writer::reserve(out)?).context("the recordings cannot be merged")?;
    say(&format!(
        "{}: {cases} case(s) of {} shard(s)\n",
        out.display(),
        parts.len()
    ))?;
    Ok(Exit::Parity)
}
