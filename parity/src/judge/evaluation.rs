use std::borrow::Cow;
use std::collections::BTreeSet;

use super::outcome::{CaseOutcome, Cell, NO_CASE, Origin, StageOutcome, ValueOutcome, Verdict};
use super::tolerances::{Conditions, Tolerances};
use super::value_diff::{Compared, ValueDiff, diff_value};
use super::{partings, stale};
use crate::case::{Case, Keep};
use crate::metric::{Metric, Value};
use crate::recording::{CaseRecord, Error, RecordedCase, RecordingSource};
use crate::stage::{Feed, Key, Stage};

/// Names that are listed one by one.
const FEW: usize = 5;

/// A golden and the recordings that are compared with it.
pub struct Evaluation<'a> {
    /// The reference.
    pub golden: &'a dyn RecordingSource,
    /// The candidate, fed with the golden's inputs.
    pub isolated: Option<&'a dyn RecordingSource>,
    /// The candidate, fed with its own.
    pub cascaded: Option<&'a dyn RecordingSource>,
    /// The current cases, to find stale goldens; if absent, all cases of the recordings.
    pub expected: Option<&'a [RecordedCase]>,
    /// The limits.
    pub tolerances: &'a Tolerances,
    /// Judge a stale golden too. Its cases keep that as their problem, so that there is never
    /// parity.
    pub anyway: bool,
}

/// One case of an evaluation, read from every recording.
pub struct LoadedCase<'a> {
    /// The case's name.
    pub name: String,
    /// The golden's record, or why it cannot be read.
    pub golden: Result<Cow<'a, CaseRecord>, Error>,
    /// The isolated record, if there is one.
    pub isolated: Option<Cow<'a, CaseRecord>>,
    /// The cascaded record, if there is one.
    pub cascaded: Option<Cow<'a, CaseRecord>>,
}

impl LoadedCase<'_> {
    /// The candidate's record under a feed.
    pub fn candidate(&self, feed: Feed) -> Option<&CaseRecord> {
        match feed {
            Feed::Isolated => self.isolated.as_deref(),
            Feed::Cascaded => self.cascaded.as_deref(),
        }
    }
}

impl<'a> Evaluation<'a> {
    /// The candidate under a feed.
    pub fn candidate(&self, feed: Feed) -> Option<&'a dyn RecordingSource> {
        match feed {
            Feed::Isolated => self.isolated,
            Feed::Cascaded => self.cascaded,
        }
    }

    /// The cases to judge, by name.
    pub fn names(&self) -> Vec<String> {
        if let Some(expected) = self.expected {
            return expected.iter().map(|c| c.case.name.clone()).collect();
        }
        let sources = [Some(self.golden), self.isolated, self.cascaded];
        let names = sources
            .into_iter()
            .flatten()
            .flat_map(|s| s.manifest().cases.keys());
        names
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Reads a case from every recording.
    ///
    /// # Errors
    /// If a candidate is damaged. A damaged golden becomes part of the outcome instead.
    pub fn load(&self, name: &str) -> Result<LoadedCase<'a>, Error> {
        let read = |source: Option<&'a dyn RecordingSource>| match source.map(|s| s.case(name)) {
            None | Some(Err(Error::NoSuchCase { .. })) => Ok(None),
            Some(record) => record.map(Some),
        };
        Ok(LoadedCase {
            name: name.to_owned(),
            golden: self.golden.golden_case(name),
            isolated: read(self.isolated)?,
            cascaded: read(self.cascaded)?,
        })
    }

    /// Judges a case.
    pub fn judge(&self, loaded: &LoadedCase<'_>) -> CaseOutcome {
        let mut outcome = CaseOutcome {
            name: loaded.name.clone(),
            case: None,
            verdict: Verdict::Skipped,
            problem: None,
            golden_at_fault: true,
            first_introduced: None,
            stages: Vec::new(),
        };
        let golden = match &loaded.golden {
            Ok(golden) => golden,
            Err(error) => {
                let lacks = matches!(error, Error::NoSuchCase { .. });
                outcome.verdict = if lacks {
                    Verdict::Missing
                } else {
                    Verdict::Damaged
                };
                outcome.problem = Some(error.to_string());
                return outcome;
            }
        };
        outcome.case = Some(golden.case.case.clone());
        let stale = self.stale(golden, loaded);
        if !stale.is_empty() {
            outcome.problem = Some(stale.join("; "));
            if !self.anyway {
                outcome.verdict = Verdict::Stale;
                return outcome;
            }
        }
        let case = &golden.case.case;
        let stages = Stage::all().filter(|s| !s.is_auxiliary() && case.has(*s) && case.keeps(*s));
        outcome.stages = stages
            .map(|stage| StageOutcome {
                stage,
                isolated: self.cell(golden, loaded, stage, Feed::Isolated),
                cascaded: self.cell(golden, loaded, stage, Feed::Cascaded),
            })
            .collect();
        self.leave_another_speech(golden, loaded, &mut outcome);
        find_origins(&mut outcome);
        let cells = outcome.stages.iter().flat_map(StageOutcome::cells);
        outcome.verdict = Verdict::of(cells.map(|(_, cell)| cell.verdict));
        outcome.golden_at_fault = outcome.problem.is_some();
        outcome
    }

    /// Where tokens part from the reference's for a reason that is explained, what follows from end to
    /// end is another speech, and is judged isolated only.
    fn leave_another_speech(
        &self,
        golden: &CaseRecord,
        loaded: &LoadedCase<'_>,
        outcome: &mut CaseOutcome,
    ) {
        let (Some(isolated), Some(cascaded)) = (&loaded.isolated, &loaded.cascaded) else {
            return;
        };
        if !partings::has_explained(outcome) {
            return;
        }
        let Some((segment, at)) = partings::same_parting(golden, isolated, cascaded) else {
            return;
        };
        let reason = format!(
            "another speech from token {at} of segment {segment} on, by an error of the logits \
             that llm.tokens isolated explains"
        );
        let following = |s: &&mut StageOutcome| partings::follows_tokens(s.stage);
        for stage in outcome.stages.iter_mut().filter(following) {
            if stage.cascaded.is_some() {
                stage.cascaded = Some(empty_cell(Verdict::Skipped, &reason));
            }
        }
    }

    fn stale(&self, golden: &CaseRecord, loaded: &LoadedCase<'_>) -> Vec<String> {
        let mut reasons = stale::manifests(self.golden.manifest(), &self.tolerances.reference);
        reasons.extend(stale::lm_weights(
            "golden",
            self.golden.manifest(),
            &golden.case.case,
        ));
        let expected = self
            .expected
            .and_then(|e| e.iter().find(|c| c.case.name == loaded.name));
        reasons.extend(expected.and_then(|e| stale::case(&golden.case, e, "the case file has")));
        for feed in Feed::ALL {
            let Some(candidate) = self.candidate(feed) else {
                continue;
            };
            let manifest = candidate.manifest();
            reasons.extend(stale::candidate(self.golden, manifest));
            reasons.extend(stale::lm_weights("candidate", manifest, &golden.case.case));
            let record = loaded.candidate(feed);
            reasons
                .extend(record.and_then(|r| stale::case(&golden.case, &r.case, "the candidate")));
        }
        // Both recordings of a candidate usually give the same reasons.
        let mut seen = BTreeSet::new();
        reasons.retain(|r| seen.insert(r.clone()));
        reasons
    }

    /// What the evaluation as a whole does not cover.
    pub fn not_covered(&self) -> Vec<String> {
        let mut list = Vec::new();
        for feed in Feed::ALL {
            match self.candidate(feed) {
                None => list.push(format!(
                    "{} stages: the candidate has no such recording",
                    feed.name()
                )),
                Some(c) => {
                    list.extend(stale::unchecked(self.golden.manifest(), c.manifest()));
                    list.extend(c.notes());
                }
            }
        }
        let reference = &self.golden.manifest().engine;
        if !reference.is_reference() {
            list.push(format!(
                "whether either side is like the reference: the golden was recorded by {}",
                reference.name
            ));
        }
        if let Some(expected) = self.expected {
            let known: BTreeSet<_> = expected.iter().map(|c| &c.case.name).collect();
            let rest = self
                .golden
                .manifest()
                .cases
                .keys()
                .filter(|n| !known.contains(n));
            let rest: Vec<_> = rest.map(String::as_str).collect();
            match rest.as_slice() {
                [] => {}
                few if few.len() <= FEW => list.push(format!(
                    "cases of the golden that were not selected: {}",
                    few.join(", ")
                )),
                many => list.push(format!(
                    "{} cases of the golden were not selected",
                    many.len()
                )),
            }
        }
        list.dedup();
        list
    }

    /// What is not covered because the golden keeps only some stages of a case, in one line for
    /// all cases of a kind, as there are usually many.
    pub fn kept_in_part(outcomes: &[CaseOutcome]) -> Vec<String> {
        let parts = [
            (
                Keep::Sound,
                "the steps between the prompt, the tokens, the mel and the sound",
            ),
            (Keep::Tokens, "the prompt's features and any sound"),
        ];
        let line = |(keep, left_out): (Keep, &str)| {
            let cases = outcomes.iter().filter_map(|o| o.case.as_ref());
            let names: Vec<_> = cases
                .filter(|c| c.keep == keep)
                .map(|c| c.name.as_str())
                .collect();
            let (first, last) = (names.first()?, names.last()?);
            Some(match names.len() {
                1 => format!("1 case leaves out {left_out}: {first}"),
                count => format!("{count} cases leave out {left_out}: {first} to {last}"),
            })
        };
        parts.into_iter().filter_map(line).collect()
    }

    fn cell(
        &self,
        golden: &CaseRecord,
        loaded: &LoadedCase<'_>,
        stage: Stage,
        feed: Feed,
    ) -> Option<Cell> {
        let source = self.candidate(feed)?;
        let case = &golden.case.case;
        let required = source.manifest().promises(case, stage);
        let Some(candidate) = loaded.candidate(feed) else {
            return required.then(|| empty_cell(Verdict::Missing, NO_CASE));
        };
        let keys = golden.keys(stage);
        let recorded = |record: &CaseRecord| keys.iter().any(|k| record.tensors.contains_key(k));
        let sounds = |record: &CaseRecord| {
            stage == Stage::Speech
                && !(record.audio.is_empty() || record.unrecorded.contains(&stage))
        };
        let has = |record| match stage.is_tensor() {
            true => recorded(record),
            false => sounds(record),
        };
        let both_recorded = has(golden) && has(candidate);
        if !(required || both_recorded) {
            return self.not_of_this_feed(case, stage, feed);
        }
        let conditions = self.conditions(feed)?;
        let value = |key| self.value(golden, candidate, key, &conditions);
        let values: Vec<_> = keys.into_iter().map(value).collect();
        let reason = values
            .is_empty()
            .then(|| "the golden has no segment".to_owned());
        let verdict = match reason {
            Some(_) => Verdict::Missing,
            None => Verdict::of(values.iter().map(|v| v.verdict)),
        };
        Some(Cell {
            verdict,
            reason,
            origin: None,
            values,
        })
    }

    /// What the golden has of a stage and a recording under `feed` does not. It is left out in silence
    /// only if the recording under the other feed is judged too.
    fn not_of_this_feed(&self, case: &Case, stage: Stage, feed: Feed) -> Option<Cell> {
        let judged = Feed::ALL.into_iter().filter_map(|f| self.candidate(f));
        let mut manifests = judged.map(RecordingSource::manifest);
        let elsewhere = manifests.any(|manifest| manifest.promises(case, stage));
        let in_golden = self.golden.manifest().promises(case, stage);
        let other = match feed {
            Feed::Isolated => Feed::Cascaded,
            Feed::Cascaded => Feed::Isolated,
        };
        (in_golden && !elsewhere).then(|| {
            let reason = format!("only a recording that is {} has it", other.name());
            empty_cell(Verdict::Skipped, &reason)
        })
    }

    /// The conditions under which the candidate of a feed is judged.
    pub(super) fn conditions(&self, feed: Feed) -> Option<Conditions> {
        let manifest = self.candidate(feed)?.manifest();
        Some(Conditions {
            reference: self.golden.manifest().engine.name.clone(),
            candidate: manifest.engine.name.clone(),
            device: manifest.device.clone(),
            precision: manifest.precision.clone(),
            feed,
            unmeasured_noise: false,
        })
    }

    pub(super) fn value(
        &self,
        golden: &CaseRecord,
        candidate: &CaseRecord,
        key: Key,
        conditions: &Conditions,
    ) -> ValueOutcome {
        let absent = |key: Key, reason: &str| ValueOutcome {
            key,
            verdict: Verdict::Missing,
            reason: Some(reason.to_owned()),
            unmeasured_noise: None,
            checks: Vec::new(),
            measures: Default::default(),
            detail: None,
        };
        match diff_value(golden, candidate, &key, conditions.feed) {
            Compared::NoReference => absent(key, "the golden lacks it; record the golden again"),
            Compared::NoCandidate => absent(key, "the candidate lacks it"),
            Compared::Both(mut diff) => {
                let conditions = Conditions {
                    unmeasured_noise: diff.unmeasured_noise.is_some(),
                    ..conditions.clone()
                };
                if conditions.feed == Feed::Isolated {
                    let allowed = self.divergence_allowed(&conditions);
                    let sides = (golden, candidate);
                    partings::measure(&mut diff.measures, sides, &key, allowed);
                }
                self.judge_value(key, *diff, &conditions)
            }
        }
    }

    /// The largest divergence of the logits, in nats, that explains another token.
    fn divergence_allowed(&self, conditions: &Conditions) -> f64 {
        let limits = self.tolerances.of(Stage::LlmTokens, conditions);
        let limit = limits.iter().find(|l| l.metric == Metric::KlMax);
        limit.and_then(|l| l.at_most).unwrap_or(f64::NAN)
    }

    fn judge_value(&self, key: Key, diff: ValueDiff, conditions: &Conditions) -> ValueOutcome {
        let limits = self.tolerances.of(key.stage, conditions);
        let checks: Vec<_> = limits.iter().map(|l| l.check(&diff.measures)).collect();
        let blind = checks.iter().all(|c| c.metric.definition().gain_blind);
        let unmeasured = checks.iter().find(|c| c.value.is_none() && !c.passed);
        let (verdict, reason) = if let Some(fault) = diff.fault {
            (Verdict::Fail, Some(fault))
        } else if diff.empty {
            (
                Verdict::Missing,
                Some("empty on both sides: nothing was compared".into()),
            )
        } else if checks.iter().any(|c| !c.passed && c.value.is_some()) {
            (Verdict::Fail, None)
        } else if let Some(check) = unmeasured {
            let label = check.metric.definition().label;
            (
                Verdict::Missing,
                Some(format!(
                    "{label} could not be measured (no noise in the golden?)"
                )),
            )
        } else if checks.is_empty() && diff.unmeasured_noise.is_some() {
            let reason = "no limit says what holds where the reference's noise could not be \
                          measured; add one with unmeasured_noise to tolerances.toml";
            (Verdict::Missing, Some(reason.into()))
        } else if checks.is_empty() {
            (
                Verdict::Missing,
                Some("no limit applies to it; add one to tolerances.toml".into()),
            )
        } else if blind {
            let reason = "only metrics that are blind to gain limit it; add another one";
            (Verdict::Missing, Some(reason.into()))
        } else {
            (Verdict::Pass, None)
        };
        ValueOutcome {
            key,
            verdict,
            reason,
            unmeasured_noise: diff.unmeasured_noise.map(Value),
            checks,
            measures: diff.measures,
            detail: diff.detail,
        }
    }
}

fn empty_cell(verdict: Verdict, reason: &str) -> Cell {
    Cell {
        verdict,
        reason: Some(reason.to_owned()),
        origin: None,
        values: Vec::new(),
    }
}

/// Marks failed cells as introduced or inherited.
fn find_origins(outcome: &mut CaseOutcome) {
    let failed = |cell: &Option<Cell>| cell.as_ref().is_some_and(|c| c.verdict == Verdict::Fail);
    let mut failed_before = false;
    for stage in &mut outcome.stages {
        let (isolated, cascaded) = (failed(&stage.isolated), failed(&stage.cascaded));
        // Isolated, the sound says nothing of what delivers it, such as joints of chunks.
        let passes_isolated = stage.stage != Stage::Speech
            && stage
                .isolated
                .as_ref()
                .is_some_and(|c| c.verdict == Verdict::Pass);
        let inherited = !isolated && (passes_isolated || failed_before);
        let origin = if inherited {
            Origin::Inherited
        } else {
            Origin::Introduced
        };
        for (cell, failed) in [
            (&mut stage.isolated, isolated),
            (&mut stage.cascaded, cascaded),
        ] {
            if let (Some(cell), true) = (cell, failed) {
                cell.origin = Some(origin);
            }
        }
        if (isolated || cascaded) && !inherited && outcome.first_introduced.is_none() {
            outcome.first_introduced = Some(stage.stage);
        }
        failed_before |= isolated || cascaded;
    }
}
