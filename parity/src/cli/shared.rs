use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use parity::judge::Tolerances;
use parity::recording::{self, Reader, Recording};

/// The golden cannot be used, which has an exit status of its own.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct GoldenFault(#[from] pub recording::Error);

/// Opens a golden, or says what is wrong with it.
pub fn open_golden(dir: &Path) -> Result<Reader, GoldenFault> {
    Ok(Reader::open(dir)?)
}

/// Reads a whole golden.
pub fn read_golden(dir: &Path) -> Result<Recording, GoldenFault> {
    Ok(Recording::read(dir)?)
}

/// Where the limits are.
#[derive(clap::Args, Debug)]
pub struct TolerancesArg {
    /// The limits; by default tolerances.toml beside the golden, or golden/tolerances.toml
    #[arg(long, value_name = "FILE")]
    tolerances: Option<PathBuf>,
}

impl TolerancesArg {
    /// Reads the limits for a golden in `golden`.
    pub fn load(&self, golden: &Path) -> anyhow::Result<Tolerances> {
        let beside = golden.parent().map(|parent| parent.join("tolerances.toml"));
        let usual = PathBuf::from("golden/tolerances.toml");
        let path = match &self.tolerances {
            Some(path) => path.clone(),
            None => [beside, Some(usual)]
                .into_iter()
                .flatten()
                .find(|p| p.is_file())
                .context(
                    "there is no tolerances.toml beside the golden; name one with --tolerances",
                )?,
        };
        Ok(Tolerances::load(path)?)
    }
}

/// Prints to standard output, with colours only where they are seen. Whoever reads may stop.
pub fn say(text: &str) -> anyhow::Result<()> {
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("standard output"),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string_pretty(value)? + "\n"))
}
