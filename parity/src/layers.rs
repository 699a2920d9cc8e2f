//! Looking into a network, to find the first layer that departs from the reference.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::judge::{
    Check, Compared, Conditions, Tolerances, ValueDiff, Verdict, diff_value, stale_candidate,
};
use crate::metric::{Metric, Value};
use crate::record::{self, NativeRecorder};
use crate::recording::{CaseRecord, Error, RecordingSource};
use crate::stage::{Feed, Key, Stage};

/// A network that can be looked into.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The language model, every layer over all positions.
    Llm,
    /// The flow: its conditioning, every Euler step, every block of the first and last one.
    Flow,
    /// The vocoder: the F0 predictor, the source, every block of the generator.
    Vocoder,
}

impl Network {
    /// All of them, in the order of a synthesis.
    pub const ALL: [Self; 3] = [Self::Llm, Self::Flow, Self::Vocoder];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Flow => "flow",
            Self::Vocoder => "vocoder",
        }
    }

    /// Whether a point of a recording lies in it.
    fn holds(self, key: &Key) -> bool {
        match self {
            Self::Llm => key.stage == Stage::LlmLogits,
            Self::Flow => matches!(key.stage, Stage::FlowMu | Stage::FlowStep(_)),
            Self::Vocoder => matches!(
                key.stage,
                Stage::VocoderF0 | Stage::VocoderSource | Stage::VocoderWav
            ),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| format!("\"{name}\" is none of llm, flow, vocoder"))
    }
}

/// What was found inside the networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerReport {
    /// What is to be kept in mind when reading it, such as other weights than the golden's.
    pub notes: Vec<String>,
    /// Every network that was looked into, of every case.
    pub looks: Vec<NetworkLayers>,
}

/// One network at work on one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkLayers {
    /// The case.
    pub case: String,
    /// The network.
    pub part: Network,
    /// The first point that departs from the reference, in the order of computation.
    pub first: Option<Key>,
    /// Every point, in that order.
    pub taps: Vec<LayerOutcome>,
}

/// One point of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerOutcome {
    /// Where.
    pub key: Key,
    /// Pass, or what is wrong.
    pub verdict: Verdict,
    /// Why, where no limit says it.
    pub reason: Option<String>,
    /// Energy of the error over that of the reference, in dB.
    pub nmse_db: Option<Value>,
    /// The error as a multiple of the reference's own float32 error at this point.
    pub multiple: Option<Value>,
    /// The largest multiple allowed.
    pub limit: Option<Value>,
}

impl LayerReport {
    /// What the shell is told.
    pub fn exit(&self) -> Exit {
        if self.looks.iter().all(|look| look.taps.is_empty()) {
            Exit::NothingCompared
        } else if self.looks.iter().any(|look| look.first.is_some()) {
            Exit::Failed
        } else if self.notes.is_empty() {
            Exit::Parity
        } else {
            Exit::Golden
        }
    }
}

/// Why nothing could be looked into.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The golden cannot be read.
    #[error(transparent)]
    Golden(#[from] Error),
    /// The engine failed.
    #[error("case {case}: {source}")]
    EngineInfo {
        /// The case.
        case: String,
        /// What it said.
        source: record::Error,
    },
    /// No case of the golden has tensors from inside the network.
    #[error(
        "no case of the golden has tensors from inside the {0}: record one with `parity record \
         --engine python --deep {0} --case NAME --out …`"
    )]
    NothingInside(Network),
}

/// Looks into `parts` on every case of `golden` that has tensors from inside them.
///
/// # Errors
/// If the golden has none, or cannot be read, or the engine fails.
pub fn compare_layers(
    recorder: &mut NativeRecorder,
    golden: &dyn RecordingSource,
    parts: &[Network],
    tolerances: &Tolerances,
) -> Result<LayerReport, LayerError> {
    let manifest = recorder.manifest(Feed::Isolated);
    let conditions = Conditions {
        reference: golden.manifest().engine.name.clone(),
        candidate: manifest.engine.name.clone(),
        device: manifest.device.clone(),
        precision: manifest.precision.clone(),
        feed: Feed::Isolated,
    };
    let mut report = LayerReport {
        notes: stale_candidate(golden, &manifest),
        looks: Vec::new(),
    };
    for &part in parts {
        let before = report.looks.len();
        for name in golden.manifest().cases.keys() {
            let reference = golden.case(name)?;
            let inside = |key: &Key| part.holds(key) && key.tap.is_some();
            if !reference.tensors.keys().any(inside) {
                continue;
            }
            let found =
                recorder
                    .layers(part, &reference)
                    .map_err(|source| LayerError::EngineInfo {
                        case: name.clone(),
                        source,
                    })?;
            report
                .looks
                .push(look(name, part, &reference, found, &conditions, tolerances));
        }
        if report.looks.len() == before {
            return Err(LayerError::NothingInside(part));
        }
    }
    Ok(report)
}

fn look(
    case: &str,
    part: Network,
    reference: &CaseRecord,
    found: record::LayerTensors,
    conditions: &Conditions,
    tolerances: &Tolerances,
) -> NetworkLayers {
    let absent = |key: &&Key| part.holds(key) && !found.tensors.contains_key(*key);
    let absent = reference.tensors.keys().filter(absent).cloned();
    let keys: Vec<Key> = found.order.into_iter().chain(absent).collect();
    let candidate = CaseRecord {
        case: reference.case.clone(),
        text: reference.text.clone(),
        tensors: found.tensors,
        noise: Default::default(),
        audio: Vec::new(),
    };
    let taps: Vec<_> = keys
        .into_iter()
        .map(|key| tapped(reference, &candidate, key, conditions, tolerances))
        .collect();
    let departs = |tap: &&LayerOutcome| tap.verdict != Verdict::Pass;
    NetworkLayers {
        case: case.to_owned(),
        part,
        first: taps.iter().find(departs).map(|tap| tap.key.clone()),
        taps,
    }
}

fn tapped(
    reference: &CaseRecord,
    candidate: &CaseRecord,
    key: Key,
    conditions: &Conditions,
    tolerances: &Tolerances,
) -> LayerOutcome {
    let nothing = |key, reason: &str| LayerOutcome {
        key,
        verdict: Verdict::Missing,
        reason: Some(reason.to_owned()),
        nmse_db: None,
        multiple: None,
        limit: None,
    };
    let diff = match diff_value(reference, candidate, &key, conditions.feed) {
        Compared::NoReference => return nothing(key, "the golden lacks it"),
        Compared::NoCandidate => return nothing(key, "the candidate lacks it"),
        Compared::Both(diff) => diff,
    };
    // A point inside a stage is held to the limit of the stage.
    let limits = tolerances.of(key.stage, conditions);
    let limit = limits.iter().find(|l| l.metric == Metric::NoiseRatio);
    let check = limit.map(|limit| limit.check(&diff.measures));
    let (verdict, reason) = verdict(&diff, check.as_ref());
    let measured = |metric| diff.measures.get(&metric).copied();
    LayerOutcome {
        key,
        verdict,
        reason,
        nmse_db: measured(Metric::NmseDb),
        multiple: measured(Metric::NoiseRatio),
        limit: check.and_then(|c| c.at_most),
    }
}

fn verdict(diff: &ValueDiff, check: Option<&Check>) -> (Verdict, Option<String>) {
    match check {
        _ if diff.fault.is_some() => (Verdict::Fail, diff.fault.clone()),
        _ if diff.empty => (Verdict::Missing, Some("empty on both sides".into())),
        Some(check) if check.passed => (Verdict::Pass, None),
        Some(check) if check.value.is_some() => (Verdict::Fail, None),
        Some(_) => (
            Verdict::Missing,
            Some("the golden has no noise for it".into()),
        ),
        None => (
            Verdict::Missing,
            Some("no limit of the noise ratio applies to it".into()),
        ),
    }
}
