//! What `diff` and `judge` share: which cases, which layers, and how a finding is reproduced.

use std::path::{Path, PathBuf};

use anyhow::bail;
use parity::judge::Tolerances;
use parity::layers::{LayerReport, Network, compare_recorded_layers};
use parity::recording::{Manifest, Reader, RecordedCase, RecordingSource};
use parity::suggest::hint;

use super::shared::open_golden;

/// Some of the cases.
#[derive(clap::Args, Debug)]
pub struct CasesArg {
    /// Only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    names: Vec<String>,
}

impl CasesArg {
    /// Whether all are wanted.
    pub fn all(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a case is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.all() || self.names.iter().any(|n| n == name)
    }

    /// The cases that were chosen, as the golden has them; none if all are wanted.
    pub fn of_golden(&self, golden: &Reader) -> anyhow::Result<Option<Vec<RecordedCase>>> {
        if self.all() {
            return Ok(None);
        }
        let mut cases = Vec::new();
        for name in &self.names {
            let known = &golden.manifest().cases;
            if !known.contains_key(name) {
                let known: Vec<_> = known.keys().cloned().collect();
                bail!("the golden has no case `{name}`: {}", hint(name, &known));
            }
            cases.push(golden.recorded_case(name)?);
        }
        Ok(Some(cases))
    }
}

/// The layers of the networks, from recordings.
#[derive(clap::Args, Debug)]
pub struct DeepArg {
    /// Compare the layers that the candidate recorded too, of all networks or of these, and name the
    /// first one that departs
    #[arg(
        long = "deep",
        alias = "layers",
        value_name = "llm,flow,vocoder",
        value_delimiter = ',',
        num_args = 0..=1,
        default_missing_value = "llm,flow,vocoder",
        require_equals = true
    )]
    networks: Vec<Network>,
    /// The reference's recording of the layers [default: the golden's name with `-layers`, or the
    /// golden itself if that has layers]
    #[arg(long, value_name = "DIR", requires = "networks")]
    layers_golden: Option<PathBuf>,
    /// The candidate's recording of the layers [default: the candidate itself]
    #[arg(long, value_name = "DIR", requires = "networks")]
    layers_candidate: Option<PathBuf>,
}

impl DeepArg {
    /// Compares the layers, if that is wanted.
    pub fn compare(
        &self,
        golden: &Path,
        candidate: &Path,
        tolerances: &Tolerances,
    ) -> anyhow::Result<Option<LayerReport>> {
        if self.networks.is_empty() {
            return Ok(None);
        }
        let mut beside = golden.as_os_str().to_owned();
        beside.push("-layers");
        let beside = PathBuf::from(beside);
        let dir = match &self.layers_golden {
            Some(dir) => dir.clone(),
            None if beside.is_dir() => beside,
            None => golden.to_owned(),
        };
        let reference = open_golden(&dir)?;
        let own = self.layers_candidate.as_deref().unwrap_or(candidate);
        let candidate = Reader::open_candidate(own, &reference)?;
        let report = compare_recorded_layers(&candidate, &reference, &self.networks, tolerances)?;
        Ok(Some(report))
    }
}

/// The command that runs a case of this candidate alone: that of its own engine where its manifest
/// says it, and otherwise `again`, which judges the recorded case.
pub fn reproduce(candidate: &Manifest, again: String) -> impl Fn(&str) -> String + use<> {
    let own = candidate.engine.command.clone();
    move |case| match &own {
        Some(command) if command.contains("{case}") => command.replace("{case}", case),
        Some(command) => format!("{command} {case}"),
        None => format!("{again} --case {case}"),
    }
}
