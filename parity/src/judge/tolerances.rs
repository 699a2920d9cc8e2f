use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::limit_rules;
use super::outcome::{Check, CheckedFloor, size};
use crate::bounded;
use crate::metric::{Measures, Metric, Value};
use crate::recording::sha256;
use crate::stage::{Feed, Stage};

/// Version of the tolerance file that this program reads.
pub(super) const VERSION: u32 = 1;

/// Limits by stage, engine pair, device and precision.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerances {
    /// Version of the file's format.
    pub version: u32,
    /// Which references the limits were made for.
    #[serde(default)]
    pub reference: Pins,
    /// Engines, beside `python` and `native`, that limits may be for.
    #[serde(default)]
    pub engines: Vec<String>,
    /// The limits. Of several that apply to a metric of a stage, the last one counts.
    #[serde(default, rename = "limit")]
    pub limits: Vec<Limit>,
}

/// The references that a golden may come from. Any other golden is stale.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Commits of the reference; any if empty.
    #[serde(default)]
    pub commits: Vec<String>,
    /// Versions by library; a local part such as `+cu121` does not count.
    #[serde(default)]
    pub libraries: BTreeMap<String, Vec<String>>,
}

/// One limit and its reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Stages by name; a `*` at the end stands for anything.
    pub stages: Vec<String>,
    /// The metric.
    pub metric: Metric,
    /// The largest value allowed.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// The smallest value allowed.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// An error below which the limit holds regardless of the metric.
    #[serde(default)]
    pub floor: Option<Floor>,
    /// Only where the reference's noise could not be measured, in place of the limits in units of
    /// that noise.
    #[serde(default)]
    pub unmeasured_noise: bool,
    /// Only under this feed.
    #[serde(default)]
    pub feed: Option<Feed>,
    /// Only against this reference engine.
    #[serde(default)]
    pub reference: Option<String>,
    /// Only for this candidate engine.
    #[serde(default)]
    pub candidate: Option<String>,
    /// Only for a candidate on this device.
    #[serde(default)]
    pub device: Option<String>,
    /// Only for a candidate of this precision.
    #[serde(default)]
    pub precision: Option<String>,
    /// Why the limit is what it is.
    pub reason: String,
}

/// An error that is always small enough.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The metric.
    pub metric: Metric,
    /// The largest value of it that is small enough.
    pub at_most: f64,
}

/// The conditions of a comparison, on which limits depend.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// The reference engine.
    pub reference: String,
    /// The candidate engine.
    pub candidate: String,
    /// The candidate's device.
    pub device: String,
    /// The candidate's precision.
    pub precision: String,
    /// Where its inputs come from.
    pub feed: Feed,
    /// Whether the reference's noise of the value could not be measured.
    pub unmeasured_noise: bool,
}

/// Why a tolerance file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not TOML, or not of this shape.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The position and the cause.
        source: Box<toml::de::Error>,
    },
    /// A limit is invalid.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Tolerances {
    /// Reads and checks `path`.
    ///
    /// # Errors
    /// If the file cannot be read, or one of its limits is invalid.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let read = bounded::read_text(path, bounded::HAND_WRITTEN);
        let text = read.map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let tolerances: Self = toml::from_str(&text).map_err(|source| Error::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        tolerances.check().map_err(|reason| Error::Invalid {
            path: path.to_owned(),
            reason,
        })?;
        Ok(tolerances)
    }

    /// Checks every limit: it is finite, can refuse something, and applies somewhere.
    ///
    /// # Errors
    /// What is wrong with which limit.
    pub fn check(&self) -> Result<(), String> {
        limit_rules::check(self)
    }

    /// SHA-256 of the limits and the pins, whatever the comments and the order of keys.
    pub fn sha256(&self) -> String {
        // Strings, lists and floats, in a fixed order: writing them cannot fail.
        sha256(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The limits of `stage` in `conditions`: one for each metric, the last that applies.
    pub fn of(&self, stage: Stage, conditions: &Conditions) -> Vec<&Limit> {
        let mut by_metric = BTreeMap::new();
        for limit in self.limits.iter().filter(|l| l.applies(stage, conditions)) {
            by_metric.insert(limit.metric, limit);
        }
        by_metric.into_values().collect()
    }
}

impl Limit {
    /// Whether it is a limit of `stage`, under some conditions.
    pub(super) fn names(&self, stage: Stage) -> bool {
        self.stages.iter().any(|p| matches(p, stage))
    }

    fn applies(&self, stage: Stage, conditions: &Conditions) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        let in_noise = matches!(self.metric, Metric::NoiseRatio | Metric::NoiseRatioP999);
        let noise_fits = match conditions.unmeasured_noise {
            true => !in_noise,
            false => !self.unmeasured_noise,
        };
        self.names(stage)
            && noise_fits
            && self.feed.is_none_or(|f| f == conditions.feed)
            && is(&self.reference, &conditions.reference)
            && is(&self.candidate, &conditions.candidate)
            && is(&self.device, &conditions.device)
            && is(&self.precision, &conditions.precision)
    }

    /// Checks `measures` against the limit. NaN never passes.
    pub fn check(&self, measures: &Measures) -> Check {
        let mut check = Check {
            metric: self.metric,
            value: measures.get(&self.metric).copied(),
            at_most: self.at_most.map(Value),
            at_least: self.at_least.map(Value),
            floor: self.floor.map(CheckedFloor::of),
            headroom: size(measures, self.metric).map(|v| Value(self.headroom(v))),
            passed: false,
            by_floor: false,
            reason: self.reason.clone(),
        };
        let within = check.is_within();
        check.by_floor = !within && check.is_below_floor(measures);
        check.passed = within || check.by_floor;
        check
    }

    fn headroom(&self, value: f64) -> f64 {
        let distances = [
            self.at_most.map(|l| (l, l - value)),
            self.at_least.map(|l| (l, value - l)),
        ];
        let db = self.metric.definition().unit == "dB";
        let share = |(limit, distance): (f64, f64)| {
            if db || limit == 0.0 {
                distance
            } else {
                distance / limit.abs()
            }
        };
        distances
            .into_iter()
            .flatten()
            .map(share)
            .fold(f64::INFINITY, f64::min)
    }
}

/// Whether a limit's name of stages stands for `stage`.
pub(super) fn matches(pattern: &str, stage: Stage) -> bool {
    let name = stage.to_string();
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::measures;

    fn parse(limits: &str) -> Result<Tolerances, String> {
        let toml = format!("version = 1\n{limits}");
        let tolerances: Tolerances = toml::from_str(&toml).map_err(|e| e.to_string())?;
        tolerances.check().map(|()| tolerances)
    }

    fn conditions(device: &str) -> Conditions {
        Conditions {
            reference: "python".into(),
            candidate: "native".into(),
            device: device.into(),
            precision: "f32".into(),
            feed: Feed::Isolated,
            unmeasured_noise: false,
        }
    }

    const LIMIT: &str = "[[limit]]\nstages = [\"flow.*\"]\nmetric = \"nmse_db\"\nat_most = -100.0\nreason = \"r\"\n";

    #[test]
    fn the_last_limit_that_applies_counts() {
        let wider = LIMIT.replace("-100.0", "-60.0\ndevice = \"cuda\"");
        let tolerances = parse(&format!("{LIMIT}{wider}")).unwrap();
        let limit = |stage, device| {
            tolerances
                .of(stage, &conditions(device))
                .first()
                .map(|l| l.at_most.unwrap())
        };
        assert_eq!(limit(Stage::FlowStep(3), "cpu"), Some(-100.0));
        assert_eq!(limit(Stage::FlowStep(3), "cuda"), Some(-60.0));
        assert_eq!(limit(Stage::PromptMel, "cpu"), None);
    }

    #[test]
    fn where_the_noise_could_not_be_measured_an_absolute_limit_takes_the_place_of_its_multiples() {
        let ratio = LIMIT
            .replace("nmse_db", "noise_ratio")
            .replace("-100.0", "4.0");
        let absolute = LIMIT.replace("at_most", "unmeasured_noise = true\nat_most");
        let tolerances = parse(&format!("{ratio}{absolute}")).unwrap();
        let metrics = |unmeasured_noise| {
            let conditions = Conditions {
                unmeasured_noise,
                ..conditions("cpu")
            };
            let limits = tolerances.of(Stage::FlowMel, &conditions);
            limits.iter().map(|l| l.metric).collect::<Vec<_>>()
        };
        assert_eq!(metrics(false), [Metric::NoiseRatio]);
        assert_eq!(metrics(true), [Metric::NmseDb]);
    }

    #[test]
    fn invalid_limits_are_refused() {
        let refused = [
            (LIMIT.replace("flow.*", "flaw.*"), "unknown stage"),
            (LIMIT.replace("at_most", "at_least"), "needs at_most"),
            (LIMIT.replace("\"r\"", "\" \""), "no reason"),
            (LIMIT.replace("nmse_db", "cosine"), "unknown metric"),
            (
                LIMIT
                    .replace("nmse_db", "edit_distance")
                    .replace("-100.0", "1.0"),
                "not measured in flow.mu",
            ),
            (LIMIT.replace("at_most", "atmost"), "unknown field"),
            (LIMIT.replace("-100.0", "nan"), "not a number"),
        ];
        for (toml, reason) in refused {
            let message = parse(&toml).unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn nan_and_unmeasured_metrics_fail() {
        let tolerances = parse(LIMIT).unwrap();
        let check = |m: &Measures| tolerances.limits[0].check(m).passed;
        assert!(check(&measures([(Metric::NmseDb, -120.0)])));
        assert!(check(&measures([(Metric::NmseDb, f64::NEG_INFINITY)])));
        assert!(!check(&measures([(Metric::NmseDb, -90.0)])));
        assert!(!check(&measures([(Metric::NmseDb, f64::NAN)])));
        assert!(!check(&Measures::new()));
    }

    #[test]
    fn an_error_below_the_floor_passes_and_is_marked() {
        let limit = "[[limit]]\nstages = [\"flow.mu\"]\nmetric = \"noise_ratio\"\nat_most = 4.0\n\
                     floor = { metric = \"nmse_db\", at_most = -130.0 }\nreason = \"r\"\n";
        let tolerances = parse(limit).unwrap();
        let check = |ratio, db| {
            let m = measures([(Metric::NoiseRatio, ratio), (Metric::NmseDb, db)]);
            let check = tolerances.limits[0].check(&m);
            (check.passed, check.by_floor)
        };
        assert_eq!(check(3.0, -120.0), (true, false));
        assert_eq!(check(30.0, -140.0), (true, true));
        assert_eq!(check(30.0, -120.0), (false, false));
    }

    #[test]
    fn a_lag_is_judged_by_its_size() {
        let limit =
            "[[limit]]\nstages = [\"speech\"]\nmetric = \"lag\"\nat_most = 0.0\nreason = \"r\"\n";
        let tolerances = parse(limit).unwrap();
        assert!(
            !tolerances.limits[0]
                .check(&measures([(Metric::Lag, -3.0)]))
                .passed
        );
    }
}
