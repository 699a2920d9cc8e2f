use std::collections::{BTreeMap, BTreeSet};

use super::plant::{Sides, records};
use crate::diagnosis::{self, Cause, likely};
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Evaluation, LimitsTest, Summary, Tolerances};
use crate::record::token_bounds;
use crate::recording::{CaseRecord, Error, Reader, Recording, RecordingSource};
use crate::report::{LimitsInfo, Report, Shard, build_report, merge, read};
use crate::stage::{Feed, Key, Stage};

/// What the harness said of a planted fault.
pub(super) enum Found {
    /// The outcome of every case.
    Judged(Vec<CaseOutcome>),
    /// The status of a report.
    Run(Exit),
    /// The input was refused, for this reason.
    Refused(String),
    /// The limits let gross faults through, in words.
    LetThrough(String),
    /// The status of a run, and the mistakes that are called likely.
    Likely(Exit, Vec<Cause>),
}

/// A golden and candidates that equal it, with what the judge says of them.
pub(super) struct Bench<'a> {
    pub(super) sides: Sides,
    tolerances: &'a Tolerances,
    outcomes: BTreeMap<String, CaseOutcome>,
}

impl<'a> Bench<'a> {
    /// A bench of every case of a golden.
    pub(super) fn new(golden: &Recording, tolerances: &'a Tolerances) -> Result<Self, Error> {
        let candidate = |feed: Feed| {
            let mut recording = golden.clone();
            recording.manifest.feed = feed;
            // Limits are mostly those of the native engine.
            recording.manifest.engine.name = "native".into();
            for case in recording.cases.values_mut() {
                case.tensors.retain(|key, _| feed.requires(key.stage));
                case.noise.clear();
            }
            recording
        };
        let sides = Sides {
            isolated: candidate(Feed::Isolated),
            cascaded: candidate(Feed::Cascaded),
            golden: golden.clone(),
        };
        let outcomes = judge(&sides.golden, &sides, tolerances)?;
        let outcomes = outcomes.into_iter().map(|o| (o.name.clone(), o)).collect();
        Ok(Self {
            sides,
            tolerances,
            outcomes,
        })
    }

    /// What the judge says without a fault.
    pub(super) fn unchanged(&self) -> Found {
        Found::Judged(self.outcomes.values().cloned().collect())
    }

    /// The same with few cases, which have every place that all have.
    pub(super) fn representative(self) -> Self {
        let mut seen = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (name, case) in &self.sides.golden.cases {
            let places = places(case);
            if !places.is_subset(&seen) || names.len() < 2 {
                seen.extend(places);
                names.insert(name.clone());
            }
        }
        let mut outcomes = self.outcomes;
        outcomes.retain(|name, _| names.contains(name));
        Self {
            sides: only(self.sides, &names),
            tolerances: self.tolerances,
            outcomes,
        }
    }

    /// Judges recordings in which a fault was planted; the cases that it left alone are known.
    pub(super) fn judge(&self, faulty: &Sides) -> Result<Found, Error> {
        let pairs = [
            (&self.sides.golden, &faulty.golden),
            (&self.sides.isolated, &faulty.isolated),
            (&self.sides.cascaded, &faulty.cascaded),
        ];
        let same_manifests = pairs.iter().all(|(a, b)| a.manifest == b.manifest);
        let evaluation = evaluation(&faulty.golden, faulty, self.tolerances);
        let judge = |name: &String| {
            let same = pairs
                .iter()
                .all(|(a, b)| a.cases.get(name) == b.cases.get(name));
            match self.outcomes.get(name).filter(|_| same && same_manifests) {
                Some(known) => Ok(known.clone()),
                None => Ok(evaluation.judge(&evaluation.load(name)?)),
            }
        };
        let names = evaluation.names();
        let outcomes: Result<_, Error> = names.iter().map(judge).collect();
        Ok(Found::Judged(outcomes?))
    }

    /// Judges the cascaded recording alone, as that of a port, and says which mistakes it has the
    /// signs of.
    pub(super) fn judge_port(&self, faulty: &Sides) -> Result<Found, Error> {
        let evaluation = Evaluation {
            isolated: None,
            ..evaluation(&faulty.golden, faulty, self.tolerances)
        };
        let mut cases = Vec::new();
        for name in evaluation.names() {
            let loaded = evaluation.load(&name)?;
            let outcome = evaluation.judge(&loaded);
            let clues = diagnosis::clues(&loaded, &outcome);
            cases.push((outcome, clues));
        }
        let outcomes: Vec<_> = cases.iter().map(|(outcome, _)| outcome.clone()).collect();
        let found = likely(cases.iter().map(|(outcome, clues)| (outcome, &**clues)));
        let causes = found.into_iter().map(|likely| likely.cause).collect();
        Ok(Found::Likely(status(&outcomes), causes))
    }

    /// Judges against a golden on disk of which a file was changed. None if it has no such file.
    pub(super) fn judge_file(
        &self,
        file: &str,
        change: fn(Vec<u8>) -> Option<Vec<u8>>,
    ) -> Result<Option<Found>, Error> {
        let cases = self.sides.golden.cases.iter();
        let Some(case) = cases.max_by_key(|c| c.1.noise.len()).map(|c| c.0.clone()) else {
            return Ok(None);
        };
        let sides = only(self.sides.clone(), &BTreeSet::from([case.clone()]));
        let parent = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
        let dir = parent.path().join("golden");
        sides.golden.write(&dir)?;
        let path = dir.join(case).join(file);
        let Ok(bytes) = std::fs::read(&path) else {
            return Ok(None);
        };
        match change(bytes) {
            Some(bytes) => std::fs::write(&path, bytes),
            None => std::fs::remove_file(&path),
        }
        .map_err(Error::io(&path))?;
        let outcomes = judge(&Reader::open(&dir)?, &sides, self.tolerances)?;
        Ok(Some(Found::Judged(outcomes)))
    }

    /// Tests limits as every run tests its own, and judges by them.
    pub(super) fn test_limits(&self, tolerances: &Tolerances) -> Result<Found, Error> {
        if let Err(reason) = tolerances.check() {
            return Ok(Found::Refused(reason));
        }
        match self.let_through(&self.sides, tolerances) {
            Some(words) => Ok(Found::LetThrough(words)),
            None => judge(&self.sides.golden, &self.sides, tolerances).map(Found::Judged),
        }
    }

    /// Tests the limits of another candidate, device and precision.
    pub(super) fn test_conditions(&self, [engine, device, precision]: [&str; 3]) -> Found {
        let mut sides = self.sides.clone();
        for recording in [&mut sides.isolated, &mut sides.cascaded] {
            recording.manifest.engine.name = engine.into();
            recording.manifest.device = device.into();
            recording.manifest.precision = precision.into();
        }
        match self.let_through(&sides, self.tolerances) {
            Some(words) => Found::LetThrough(words),
            None => Found::Run(Exit::Parity),
        }
    }

    fn let_through(&self, sides: &Sides, tolerances: &Tolerances) -> Option<String> {
        let evaluation = evaluation(&sides.golden, sides, tolerances);
        let mut test = LimitsTest::default();
        for case in sides.golden.cases.values() {
            test.plant(&evaluation, case, true);
        }
        let (faults, sha256) = (test.faults(), tolerances.sha256());
        LimitsInfo { sha256, faults }.problem()
    }

    /// Changes the reports of two shards, and merges them. None if there are no two cases.
    pub(super) fn merge(&self, change: fn(&mut Vec<Report>)) -> Result<Option<Found>, Error> {
        let Some(sides) = self.two_small_cases() else {
            return Ok(None);
        };
        let shards = [1, 2].map(|index| self.report(&sides, Some(Shard { index, of: 2 })));
        let mut reports = shards.into_iter().collect::<Result<Vec<_>, _>>()?;
        change(&mut reports);
        Ok(Some(match merge(reports) {
            Ok(report) => Found::Run(report.status()),
            Err(error) => Found::Refused(error.to_string()),
        }))
    }

    /// Changes the report.json of a run that failed, and reads it.
    pub(super) fn read(&self, change: fn(&mut serde_json::Value)) -> Result<Option<Found>, Error> {
        let Some(mut sides) = self.two_small_cases() else {
            return Ok(None);
        };
        let failing = |r: &mut CaseRecord| {
            let ids = r.text.segments.first_mut().map(|s| &mut s.ids);
            ids.map(|ids| ids.push(0)).is_some()
        };
        if !records(&mut sides, failing) {
            return Ok(None);
        }
        let report = self.report(&sides, None)?;
        let dir = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
        let path = dir.path().join("report.json");
        // A report has text keys and no number that JSON lacks: writing it cannot fail.
        let mut json = serde_json::to_value(&report).unwrap_or_default();
        change(&mut json);
        std::fs::write(&path, json.to_string()).map_err(Error::io(&path))?;
        Ok(Some(match read(&path) {
            Ok(report) => Found::Run(report.status()),
            Err(error) => Found::Refused(error.to_string()),
        }))
    }

    fn report(&self, sides: &Sides, shard: Option<Shard>) -> Result<Report, Error> {
        let evaluation = evaluation(&sides.golden, sides, self.tolerances);
        build_report(&evaluation, shard, |case| format!("--case {case}"))
    }

    fn two_small_cases(&self) -> Option<Sides> {
        let size = |c: &CaseRecord| {
            let values = c.tensors.values().map(|a| a.len()).sum::<usize>();
            values + c.audio.len()
        };
        let spoken = |c: &(&String, &CaseRecord)| !c.1.text.segments.is_empty();
        let mut cases: Vec<_> = self.sides.golden.cases.iter().filter(spoken).collect();
        cases.sort_by_key(|c| size(c.1));
        let two: BTreeSet<_> = cases.iter().take(2).map(|c| c.0.clone()).collect();
        (two.len() == 2).then(|| only(self.sides.clone(), &two))
    }
}

fn evaluation<'a>(
    golden: &'a dyn RecordingSource,
    sides: &'a Sides,
    tolerances: &'a Tolerances,
) -> Evaluation<'a> {
    Evaluation {
        golden,
        isolated: Some(&sides.isolated),
        cascaded: Some(&sides.cascaded),
        expected: None,
        tolerances,
        anyway: false,
    }
}

fn judge(
    golden: &dyn RecordingSource,
    sides: &Sides,
    tolerances: &Tolerances,
) -> Result<Vec<CaseOutcome>, Error> {
    let evaluation = evaluation(golden, sides, tolerances);
    let names = evaluation.names();
    let outcomes = names
        .iter()
        .map(|n| Ok(evaluation.judge(&evaluation.load(n)?)));
    outcomes.collect()
}

/// The status of a run with these outcomes.
pub(super) fn status(outcomes: &[CaseOutcome]) -> Exit {
    Summary::of(outcomes).exit()
}

fn only(mut sides: Sides, names: &BTreeSet<String>) -> Sides {
    for recording in [&mut sides.golden, &mut sides.isolated, &mut sides.cascaded] {
        recording.cases.retain(|name, _| names.contains(name));
        recording
            .manifest
            .cases
            .retain(|name, _| names.contains(name));
    }
    sides
}

/// What a case has a place for, in words.
fn places(case: &CaseRecord) -> BTreeSet<String> {
    let filled = case.tensors.iter().filter(|(_, a)| !a.is_empty());
    let mut places: BTreeSet<String> = filled.map(|(k, _)| k.stage.to_string()).collect();
    let chunks = case
        .tensors
        .iter()
        .find(|(k, _)| k.stage == Stage::SpeechChunks);
    let texts = &case.text;
    let list = |stage| case.tensors.get(&Key::segment(stage, 0));
    let length = |stage| list(stage).map_or(0, |a| a.len());
    let stop = list(Stage::LlmStop).and_then(|a| a.as_i64()?.first().copied());
    let least = texts
        .segments
        .first()
        .filter(|_| !case.case.case.in_pieces());
    let least = least.map_or(0, |text| token_bounds(text.ids.len()).0);
    let traits = [
        ("the maximum length", stop == Some(-1)),
        (
            "an end before the minimum length",
            stop.is_some() && stop != Some(-1) && length(Stage::LlmTokens) < least,
        ),
        (
            "long silences",
            length(Stage::LlmTokensKept) < length(Stage::LlmTokens),
        ),
        ("segments", texts.segments.len() > 1),
        ("chunks", chunks.is_some_and(|(_, a)| a.len() > 1)),
        ("sound", !case.audio.is_empty()),
        ("noise", !case.noise.is_empty()),
        ("text", !texts.segments.is_empty()),
        (
            "prompt text",
            texts.prompt_text.as_ref().is_some_and(|t| !t.is_empty()),
        ),
    ];
    let there = traits.into_iter().filter(|t| t.1).map(|t| t.0.to_owned());
    places.extend(there);
    places
}
