use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Direction, Metric, Value};
use crate::stage::{Stage, ValueKind};

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
    /// Whether a change of scale leaves it unchanged.
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

/// The description of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageInfo {
    /// The stage.
    pub stage: Stage,
    /// How it is compared.
    pub kind: ValueKind,
    /// What it produces.
    pub description: String,
    /// Its inputs when isolated.
    pub isolated_input: String,
}

impl StageInfo {
    /// The description of `stage`.
    pub fn of(stage: Stage) -> Self {
        Self {
            stage,
            kind: stage.kind(),
            description: stage.description().into(),
            isolated_input: stage.inputs().into(),
        }
    }
}
