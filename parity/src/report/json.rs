use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grid::Grid;
use super::lengths::LengthParity;
use crate::deep::DeepReport;
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Summary};
use crate::metric::{Direction, Metric, Value};
use crate::recording::{FileHash, Manifest};
use crate::stage::{Feed, Kind, Stage};

/// Version of `report.json`.
pub const REPORT_VERSION: u32 = 1;

/// Everything that a run found. The HTML, the table and the JUnit file are made from it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// Version of the program that wrote it.
    pub parity_version: String,
    /// When it was written, as RFC 3339.
    pub made_at: String,
    /// The exit status, in words: `parity`, `parity failed` …
    pub verdict: String,
    /// The exit status.
    pub exit: u8,
    /// The run in numbers.
    pub summary: Summary,
    /// The golden.
    pub golden: Party,
    /// The candidate's recordings: isolated, cascaded.
    pub candidates: Vec<Party>,
    /// What the run says nothing about.
    pub not_covered: Vec<String>,
    /// The metrics used, with their definitions.
    pub metrics: Vec<MetricInfo>,
    /// The stages met, in order.
    pub stages: Vec<StageInfo>,
    /// How many tokens both sides sampled for every segment.
    #[serde(default)]
    pub length_parity: Option<LengthParity>,
    /// Case by case.
    pub cases: Vec<CaseReport>,
    /// What was found inside the networks, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep: Option<DeepReport>,
}

impl Report {
    /// The exit status of the run.
    pub fn status(&self) -> Exit {
        match (self.summary.exit(), &self.deep) {
            (Exit::Parity, Some(deep)) => deep.exit(),
            (exit, _) => exit,
        }
    }

    /// The same report with what was found inside the networks.
    pub fn with_deep(mut self, deep: DeepReport) -> Self {
        self.deep = Some(deep);
        self.exit = self.status().code();
        self.verdict = self.status().meaning().into();
        self
    }

    /// Whether everything was compared and within its limits.
    pub fn is_parity(&self) -> bool {
        self.status() == Exit::Parity
    }
}

/// One recording of a comparison: who, with what, where, when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// Where its stages got their inputs.
    pub feed: Feed,
    /// The engine.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// The commit it was run from.
    pub commit: Option<String>,
    /// The model's short name.
    pub model: String,
    /// The model's files.
    pub files: BTreeMap<String, FileHash>,
    /// The file of the language model's weights, for cases that name no set themselves.
    #[serde(default)]
    pub lm_weights: Option<String>,
    /// The device.
    pub device: String,
    /// The precision.
    pub precision: String,
    /// Versions of libraries.
    pub libraries: BTreeMap<String, String>,
    /// When it was recorded.
    pub recorded_at: String,
    /// Seconds spent, by part.
    pub seconds: BTreeMap<String, f64>,
}

impl Party {
    /// What a manifest says.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            feed: manifest.feed,
            engine: manifest.engine.name.clone(),
            version: manifest.engine.version.clone(),
            commit: manifest.engine.commit.clone(),
            model: manifest.model.id.clone(),
            files: manifest.model.files.clone(),
            lm_weights: manifest.lm_weights.clone(),
            device: manifest.device.clone(),
            precision: manifest.precision.clone(),
            libraries: manifest.libraries.clone(),
            recorded_at: manifest.recorded_at.clone(),
            seconds: manifest.seconds.clone(),
        }
    }
}

/// A metric's definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricInfo {
    /// The metric.
    pub metric: Metric,
    /// Its name in tables.
    pub label: String,
    /// Its unit.
    pub unit: String,
    /// The smallest value possible.
    pub low: Value,
    /// The largest value possible.
    pub high: Value,
    /// Which way is better.
    pub direction: Direction,
    /// Whether it does not see a change of scale.
    pub gain_blind: bool,
    /// What it measures.
    pub meaning: String,
}

impl MetricInfo {
    /// The definition of `metric`.
    pub fn of(metric: Metric) -> Self {
        let definition = metric.definition();
        Self {
            metric,
            label: definition.label.into(),
            unit: definition.unit.into(),
            low: Value(definition.range.0),
            high: Value(definition.range.1),
            direction: definition.direction,
            gain_blind: definition.gain_blind,
            meaning: definition.meaning.into(),
        }
    }
}

/// What a stage is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageInfo {
    /// The stage.
    pub stage: Stage,
    /// How it is compared.
    pub kind: Kind,
    /// What it hands out.
    pub description: String,
    /// What it is fed when isolated.
    pub isolated_input: String,
}

impl StageInfo {
    /// What `stage` is.
    pub fn of(stage: Stage) -> Self {
        Self {
            stage,
            kind: stage.kind(),
            description: stage.description().into(),
            isolated_input: stage.isolated_input().into(),
        }
    }
}

/// One case: the outcome, and what there is to see and hear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// The verdicts.
    pub outcome: CaseOutcome,
    /// The command that runs this case alone.
    pub reproduce: String,
    /// The sounds.
    pub sounds: Vec<Sound>,
    /// The mels, one picture for each segment.
    pub mels: Vec<MelPicture>,
}

/// A sound to listen to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    /// Whose it is.
    pub label: String,
    /// Its length.
    pub seconds: f64,
    /// A wav file, 16 bit, base64.
    pub wav: String,
}

/// The mel of a segment on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MelPicture {
    /// The segment, counted from 0.
    pub segment: usize,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// The reference's.
    pub reference: Grid,
    /// The candidate's.
    pub candidate: Grid,
    /// The candidate's less the reference's, where both have the same shape.
    pub difference: Option<Grid>,
}
