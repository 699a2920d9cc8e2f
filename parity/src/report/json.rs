use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grid::Grid;
use super::lengths::LengthParity;
use super::trend::Trend;
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Summary};
use crate::layers::LayerReport;
use crate::metric::{Direction, Metric, Value};
use crate::recording::{FileHash, Manifest};
use crate::stage::{Feed, Key, Stage, ValueKind};
use crate::text_corpus;

/// Version of `report.json`.
pub const REPORT_VERSION: u32 = 2;

/// Everything that a run found. The HTML, the table and the JUnit file are made from it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    pub golden: RecordingInfo,
    /// The candidate's recordings: isolated, cascaded.
    pub candidates: Vec<RecordingInfo>,
    /// Which part of the cases this is, where they were spread over several runs.
    pub shard: Option<Shard>,
    /// What became better or worse since an earlier report, where one was given.
    pub trend: Option<Trend>,
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
    pub deep: Option<LayerReport>,
    /// The text frontend over the recorded texts, where that was run.
    #[serde(default)]
    pub text_corpus: Option<text_corpus::Summary>,
}

impl Report {
    /// The exit status of the run.
    pub fn status(&self) -> Exit {
        let texts_agree = self.text_corpus.as_ref().is_none_or(|texts| texts.agrees());
        match (self.summary.exit(), &self.deep) {
            (Exit::Parity, _) if !texts_agree => Exit::Failed,
            (Exit::Parity, Some(deep)) => deep.exit(),
            (exit, _) => exit,
        }
    }

    /// The same report with what was found inside the networks, which may change the verdict.
    pub fn with_layers(mut self, deep: LayerReport) -> Self {
        self.deep = Some(deep);
        self.judged_again()
    }

    /// The same report with what the recorded texts say, which may change the verdict.
    pub fn with_text_corpus(mut self, summary: text_corpus::Summary) -> Self {
        self.text_corpus = Some(summary);
        self.judged_again()
    }

    fn judged_again(mut self) -> Self {
        let exit = self.status();
        self.verdict = exit.meaning().into();
        self.exit = exit.code();
        self
    }

    /// Whether everything was compared and within its limits.
    pub fn is_parity(&self) -> bool {
        self.status() == Exit::Parity
    }
}

/// One recording of a comparison: who, with what, where, when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingInfo {
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

impl RecordingInfo {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageInfo {
    /// The stage.
    pub stage: Stage,
    /// How it is compared.
    pub kind: ValueKind,
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
            isolated_input: stage.inputs().into(),
        }
    }
}

/// One of several runs over which the cases were spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which one, counted from 1.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// Whether the case at `position`, counted from 0 over all cases, belongs to it.
    pub fn has(self, position: usize) -> bool {
        position % self.of.max(1) + 1 == self.index
    }
}

/// One case: the outcome, and what there is to see and hear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseReport {
    /// The verdicts.
    pub outcome: CaseOutcome,
    /// The command that runs this case alone.
    pub reproduce: String,
    /// The sound of both sides.
    pub sound: Option<Sound>,
    /// The sampled tokens, one entry for each segment, and every other list that differs.
    pub tokens: Vec<TokenLists>,
    /// The mels, one picture for each segment.
    pub mels: Vec<MelPicture>,
    /// The fundamental frequencies, one entry for each segment.
    pub f0: Vec<Contour>,
}

/// The sound of both sides, or the stretch of it in which they differ most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Samples of the reference's whole sound.
    pub reference_samples: usize,
    /// Samples of the candidate's whole sound; 0 where there is none.
    pub candidate_samples: usize,
    /// The first sample of the stretch.
    pub start: usize,
    /// Samples of the stretch. What one side lacks is silence.
    pub samples: usize,
    /// A FLAC file of two channels of 16 bit, base64: left the reference, right the candidate.
    /// Silence follows the stretch, up to a whole block.
    pub flac: String,
}

/// A token list of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLists {
    /// Which one.
    pub key: Key,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// The reference's.
    pub reference: Vec<i64>,
    /// The candidate's.
    pub candidate: Vec<i64>,
}

/// The mel of a segment on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// The fundamental frequency of a segment on both sides, in Hz to a hundredth, 0 where unvoiced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contour {
    /// The segment, counted from 0.
    pub segment: usize,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// The reference's, frame by frame.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub reference: Vec<f32>,
    /// The candidate's, frame by frame.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub candidate: Vec<f32>,
}
