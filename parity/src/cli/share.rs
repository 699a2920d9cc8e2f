//! Which part of a run this process has, and where it keeps what it has finished.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use parity::case::CaseFile;
use parity::recording::{KeptCases, Manifest, RunShard, sha256, sha256_file};
use parity::shard::{Parts, Shard, find};

use super::engine::EngineArgs;
use super::shared::keep_apart;

/// A part of a run.
#[derive(clap::Args, Debug)]
pub struct ShardArg {
    /// Only this part of the run, such as 2/8; `parity merge` joins all parts. `auto` asks the
    /// scheduler (Slurm, GitLab, CircleCI, Buildkite, Azure Pipelines, GitHub); auto/8 where it does
    /// not say how many there are (Kubernetes). See parity/docs/scale
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<Shard>,
}

/// A part of a run, and where its finished cases are kept.
#[derive(clap::Args, Debug)]
pub struct ShareArgs {
    #[command(flatten)]
    part: ShardArg,
    /// Keep every finished case in this folder, and take from it what is there, so that a run that
    /// was stopped goes on where it was. Shards may share it
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

impl ShareArgs {
    /// The part, if this is one.
    pub fn shard(&self) -> Option<Shard> {
        self.part.shard
    }

    /// Leaves the cases of this part, and says how many those are. None without `--shard`.
    pub fn select(&self, cases: &mut CaseFile) -> Option<RunShard> {
        let shard = self.shard()?;
        let run_cases: Vec<_> = cases.cases.iter().map(|c| c.name.clone()).collect();
        let parts = Parts::of_cases(&cases.cases, shard.of);
        let mut position = 0..;
        let has = |at| parts.has(shard, at);
        cases.cases.retain(|_| position.next().is_some_and(has));
        eprintln!(
            "shard {shard}: {} of {} cases, {:.1}% of the work",
            cases.cases.len(),
            run_cases.len(),
            100.0 * parts.share(shard)
        );
        Some(RunShard { shard, run_cases })
    }

    /// Opens the folder of finished cases, if one was named. `inputs` are what the command reads,
    /// with what they are, and `beside` what decides over a recording and is in no manifest.
    pub fn kept(
        &self,
        inputs: &[(&str, &Path)],
        beside: &[&str],
    ) -> anyhow::Result<Option<KeptCases>> {
        let Some(dir) = &self.keep else {
            return Ok(None);
        };
        keep_apart("--keep", dir, inputs)?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let program = sha256_file(program)?.sha256;
        let beside = [&[program.as_str()], beside].concat();
        Ok(Some(KeptCases::open(dir, &beside)?))
    }

    /// Opens the folder for cases of the native engine. What that says depends on the text rules too,
    /// and on the torch whose draws it reproduces, which is that of `golden`.
    pub fn kept_native(
        &self,
        inputs: &[(&str, &Path)],
        engine: &EngineArgs,
        golden: Option<&Manifest>,
    ) -> anyhow::Result<Option<KeptCases>> {
        if self.keep.is_none() {
            return Ok(None);
        }
        let rules = hash_of_files(&engine.model.open()?.text_rules()?)?;
        let torch = golden.and_then(|golden| golden.libraries.get("torch"));
        self.kept(inputs, &[&rules, torch.map_or("", String::as_str)])
    }
}

/// A hash of the names and contents of all files in a folder and below it.
pub fn hash_of_files(folder: &Path) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        let entries = std::fs::read_dir(&below).with_context(|| below.display().to_string())?;
        for entry in entries {
            let path = entry.with_context(|| below.display().to_string())?.path();
            // Python writes compiled files beside its sources.
            if path.is_dir() && path.file_name().is_some_and(|n| n != "__pycache__") {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(folder).unwrap_or(&path).display();
                lines.push(format!("{name} {}", sha256_file(&path)?.sha256));
            }
        }
    }
    lines.sort();
    Ok(sha256(lines.join("\n").as_bytes()))
}

/// `2/8`, the second of eight parts, or `auto`, or `auto/8`.
fn parse_shard(text: &str) -> Result<Shard, String> {
    const FORM: &str = "a shard is written I/N, such as 2/8 for the second of eight, or auto";
    let environment = |name: &str| std::env::var(name).ok();
    let auto = |of| find(of, environment).map_err(|e| e.to_string());
    let (index, of) = match text.split_once('/') {
        None if text == "auto" => return auto(None),
        Some(parts) => parts,
        None => return Err(FORM.into()),
    };
    let of = of.parse().map_err(|_| FORM)?;
    if index == "auto" {
        return auto(Some(of));
    }
    let index = index.parse().map_err(|_| FORM)?;
    Some(Shard { index, of })
        .filter(Shard::is_possible)
        .ok_or_else(|| FORM.into())
}
