//! The layers of a network against the reference, to find the first one that departs from it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::judge::{
    Check, Compared, Conditions, Tolerances, ValueDiff, Verdict, candidate_misfits, diff_value,
};
use crate::metric::{Metric, Value};
use crate::record::{self, NativeRecorder};
use crate::recording::{CaseRecord, Error, Manifest, RecordingSource};
use crate::stage::{Feed, Key, Stage};

/// A network whose layers can be compared.
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
    /// Every network, in the order of a synthesis.
    pub const ALL: [Self; 3] = [Self::Llm, Self::Flow, Self::Vocoder];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Flow => "flow",
            Self::Vocoder => "vocoder",
        }
    }

    /// Whether the tensor under `key` is computed by this network.
    fn contains(self, key: &Key) -> bool {
        match self {
            Self::Llm => key.stage == Stage::LlmLogits,
            Self::Flow => matches!(key.stage, Stage::FlowMu | Stage::FlowStep(_)),
            Self::Vocoder => matches!(
                key.stage,
                Stage::VocoderF0 | Stage::VocoderSource | Stage::VocoderWav
            ),
        }
    }

    /// Whether the tensor under `key` is a layer of this network, and not one of its results.
    fn has_layer(self, key: &Key) -> bool {
        self.contains(key) && key.tap.is_some()
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
        let found = Self::ALL.into_iter().find(|n| n.name() == name);
        found.ok_or_else(|| format!("unknown network `{name}` (expected llm, flow or vocoder)"))
    }
}

/// The layers of one or several networks, held to the golden's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerReport {
    /// What limits the comparison, such as other weights than the golden's.
    pub notes: Vec<String>,
    /// One entry for each network and case that were compared.
    #[serde(alias = "looks")]
    pub networks: Vec<NetworkLayers>,
}

/// The layers of one network on one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkLayers {
    /// The case.
    pub case: String,
    /// The network.
    #[serde(alias = "part")]
    pub network: Network,
    /// The first layer that departs from the reference, in the order of computation.
    pub first: Option<Key>,
    /// Every layer, in that order.
    #[serde(alias = "taps")]
    pub layers: Vec<LayerOutcome>,
}

/// One layer of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerOutcome {
    /// The stage that the layer belongs to, the segment, and the layer's name.
    pub key: Key,
    /// Pass, or what is wrong.
    pub verdict: Verdict,
    /// Why, if no limit explains the verdict.
    pub reason: Option<String>,
    /// Energy of the error over that of the reference, in dB.
    pub nmse_db: Option<Value>,
    /// The error as a multiple of the reference's own float32 error in this layer.
    pub multiple: Option<Value>,
    /// The largest multiple allowed.
    pub limit: Option<Value>,
}

impl LayerReport {
    /// The exit status of the comparison.
    pub fn exit(&self) -> Exit {
        if self.networks.iter().all(|n| n.layers.is_empty()) {
            Exit::NothingCompared
        } else if self.networks.iter().any(|n| n.first.is_some()) {
            Exit::Failed
        } else if self.notes.is_empty() {
            Exit::Parity
        } else {
            Exit::Golden
        }
    }
}

/// Why layers could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The golden cannot be read.
    #[error(transparent)]
    Golden(#[from] Error),
    /// The engine failed.
    #[error("case {case}: {source}")]
    Engine {
        /// The case.
        case: String,
        /// The engine's error.
        source: record::Error,
    },
    /// No case of the golden has layers of the network.
    #[error(
        "no case of the golden has layers of the {0}: record one with `parity record \
         --engine python --layers {0} --case NAME --out DIR`"
    )]
    NoLayers(Network),
}

/// Compares the layers of `networks` on every case of `golden` that has recorded them.
///
/// # Errors
/// If the golden has no layers of a network or cannot be read, or if the engine fails.
pub fn compare_layers(
    recorder: &mut NativeRecorder,
    golden: &dyn RecordingSource,
    networks: &[Network],
    tolerances: &Tolerances,
) -> Result<LayerReport, LayerError> {
    let mut manifest = recorder.manifest(Feed::Isolated);
    manifest.fed_from = golden.manifest_sha256().map(str::to_owned);
    compare_with(
        &manifest,
        golden,
        networks,
        tolerances,
        |network, reference| {
            let layers = recorder.layers(network, reference);
            layers.map_err(|source| LayerError::Engine {
                case: reference.name().to_owned(),
                source,
            })
        },
    )
}

/// Compares the layers that two recordings have, of every case of `golden` that has some and that
/// the candidate recorded. For engines that this program cannot run.
///
/// # Errors
/// If the golden has no layers of a network, or a recording cannot be read.
pub fn compare_recorded_layers(
    candidate: &dyn RecordingSource,
    golden: &dyn RecordingSource,
    networks: &[Network],
    tolerances: &Tolerances,
) -> Result<LayerReport, LayerError> {
    let mut without = Vec::new();
    let manifest = candidate.manifest();
    let recorded = |network: Network, reference: &CaseRecord| {
        let name = reference.name();
        let tensors = match candidate.case(name) {
            Err(Error::NoSuchCase { .. }) => Default::default(),
            record => record?.into_owned().tensors,
        };
        if !tensors.keys().any(|key| network.has_layer(key)) {
            without.push(format!(
                "the candidate has no layers of the {network} in case {name}, where the golden \
                 has them"
            ));
        }
        Ok(record::LayerTensors {
            order: in_order(reference, network),
            tensors,
        })
    };
    let mut report = compare_with(manifest, golden, networks, tolerances, recorded)?;
    report.notes.extend(without);
    Ok(report)
}

/// Compares the layers that `layers_of` hands out for every case of `golden` that has some.
fn compare_with(
    candidate: &Manifest,
    golden: &dyn RecordingSource,
    networks: &[Network],
    tolerances: &Tolerances,
    mut layers_of: impl FnMut(Network, &CaseRecord) -> Result<record::LayerTensors, LayerError>,
) -> Result<LayerReport, LayerError> {
    let conditions = Conditions {
        reference: golden.manifest().engine.name.clone(),
        candidate: candidate.engine.name.clone(),
        device: candidate.device.clone(),
        precision: candidate.precision.clone(),
        // Layers are held to the noise of each alone, whoever fed them.
        feed: Feed::Isolated,
        // A layer without a measured noise is missing.
        unmeasured_noise: false,
    };
    let mut report = LayerReport {
        notes: candidate_misfits(golden, candidate),
        networks: Vec::new(),
    };
    for &network in networks {
        let before = report.networks.len();
        for name in golden.manifest().cases.keys() {
            let reference = golden.golden_case(name)?;
            if !reference.tensors.keys().any(|key| network.has_layer(key)) {
                continue;
            }
            let layers = layers_of(network, &reference)?;
            let compared =
                compare_network(name, network, &reference, layers, &conditions, tolerances);
            report.networks.push(compared);
        }
        if report.networks.len() == before {
            return Err(LayerError::NoLayers(network));
        }
    }
    Ok(report)
}

/// The golden's layers of a network, in the order of computation: names sort in it, and a stage
/// comes after its layers.
fn in_order(reference: &CaseRecord, network: Network) -> Vec<Key> {
    let mut keys: Vec<Key> = reference
        .tensors
        .keys()
        .filter(|key| network.contains(key))
        .cloned()
        .collect();
    keys.sort_by_key(|key| (key.stage, key.segment, key.tap.is_none(), key.tap.clone()));
    keys
}

fn compare_network(
    case: &str,
    network: Network,
    reference: &CaseRecord,
    candidate: record::LayerTensors,
    conditions: &Conditions,
    tolerances: &Tolerances,
) -> NetworkLayers {
    let absent = |key: &&Key| {
        network.contains(key)
            && !candidate.tensors.contains_key(*key)
            && !candidate.order.contains(key)
    };
    let absent: Vec<Key> = reference.tensors.keys().filter(absent).cloned().collect();
    let keys = candidate.order.into_iter().chain(absent);
    let candidate = CaseRecord {
        case: reference.case.clone(),
        text: reference.text.clone(),
        tensors: candidate.tensors,
        noise: Default::default(),
        audio: Vec::new(),
        unrecorded: Default::default(),
    };
    let layers: Vec<_> = keys
        .map(|key| compare_layer(reference, &candidate, key, conditions, tolerances))
        .collect();
    NetworkLayers {
        case: case.to_owned(),
        network,
        first: first_departing(&layers),
        layers,
    }
}

/// The first layer that fails, or, if none does, the first that cannot be said to pass: a layer
/// that was not recorded says less than one that is wrong.
pub(crate) fn first_departing(layers: &[LayerOutcome]) -> Option<Key> {
    let with = |is: fn(Verdict) -> bool| layers.iter().find(|l| is(l.verdict));
    let first = with(|v| v == Verdict::Fail).or_else(|| with(|v| v != Verdict::Pass));
    first.map(|layer| layer.key.clone())
}

fn compare_layer(
    reference: &CaseRecord,
    candidate: &CaseRecord,
    key: Key,
    conditions: &Conditions,
    tolerances: &Tolerances,
) -> LayerOutcome {
    let missing = |key, reason: &str| LayerOutcome {
        key,
        verdict: Verdict::Missing,
        reason: Some(reason.to_owned()),
        nmse_db: None,
        multiple: None,
        limit: None,
    };
    let diff = match diff_value(reference, candidate, &key, conditions.feed) {
        Compared::NoReference => return missing(key, "the golden lacks it"),
        Compared::NoCandidate => return missing(key, "the candidate lacks it"),
        Compared::Both(diff) => diff,
    };
    // A layer is held to the limit of the stage that it belongs to.
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
            Some("the golden has no noise level for it".into()),
        ),
        None => (
            Verdict::Missing,
            Some("no limit on the noise ratio applies to it".into()),
        ),
    }
}
