use super::model::{
    CERTIFICATE_VERSION, Candidate, Certificate, Draws, Golden, Logits, Places, Processor, Sound,
    WorstWindow,
};
use crate::diff::partings::Step;
use crate::diff::spectrum::log_mel;
use crate::diff::tensor::percentile;
use crate::diff::window;
use crate::judge::partings::{drawn, explained_and_not};
use crate::judge::{CaseOutcome, Cell, Detail, Evaluation, LoadedCase, ValueOutcome, Verdict};
use crate::metric::{Metric, Value};
use crate::recording::{CaseRecord, Error, Manifest, RecordingSource, SAMPLE_RATE, STEPS_TAP};
use crate::report::Report;
use crate::stage::{Feed, Key, Stage};

/// What a report and the recordings behind it come to. `processor` is where the candidate computed, if
/// that is known.
///
/// # Errors
/// If a recording of the candidate is damaged.
pub fn certify(
    report: &Report,
    evaluation: &Evaluation<'_>,
    processor: Option<Processor>,
) -> Result<Certificate, Error> {
    let mut drawn = 0;
    let mut at_draws = Distances::default();
    let mut sounds = Sounds::default();
    for case in &report.cases {
        let outcome = &case.outcome;
        // The others are reasons of the verdict, and not compared.
        if outcome.stages.is_empty() {
            continue;
        }
        let loaded = evaluation.load(&outcome.name)?;
        let Ok(golden) = &loaded.golden else {
            continue;
        };
        if let Some(isolated) = &loaded.isolated {
            drawn += draws(golden, isolated);
            at_draws.of_draws(isolated);
        }
        sounds.add(outcome, golden, &loaded);
    }
    let outcomes = || report.cases.iter().map(|case| &case.outcome);
    let at_kept = || {
        let mut distances = Distances::default();
        outcomes().for_each(|outcome| distances.of_kept(outcome));
        distances.summary(Places::KeptByGolden)
    };
    let (explained, unexplained) = explained_and_not(outcomes());
    let candidates = [evaluation.cascaded, evaluation.isolated];
    let candidate = candidates.into_iter().flatten().next();
    Ok(Certificate {
        version: CERTIFICATE_VERSION,
        parity_version: report.parity_version.clone(),
        made_at: report.made_at.clone(),
        verdict: report.verdict.clone(),
        exit: report.exit,
        cases: report.summary.cases.clone(),
        stages: report.summary.cells.clone(),
        candidate: candidate_of(candidate.unwrap_or(evaluation.golden).manifest()),
        processor,
        golden: golden_of(evaluation.golden),
        limits_sha256: report.limits.as_ref().map(|limits| limits.sha256.clone()),
        tokens: (drawn > 0).then(|| Draws {
            drawn,
            explained,
            unexplained,
            share: (explained + unexplained) as f64 / drawn as f64,
        }),
        logits: at_draws.summary(Places::EveryDraw).or_else(at_kept),
        sound: sounds.worst,
        not_covered: evaluation.not_covered(),
    })
}

fn candidate_of(manifest: &Manifest) -> Candidate {
    Candidate {
        engine: manifest.engine.name.clone(),
        version: manifest.engine.version.clone(),
        commit: manifest.engine.commit.clone(),
        device: manifest.device.clone(),
        precision: manifest.precision.clone(),
        lm_weights: manifest.lm_weights.clone(),
        model: manifest.model.id.clone(),
        model_files: manifest.model.files.clone(),
    }
}

fn golden_of(golden: &dyn RecordingSource) -> Golden {
    let manifest = golden.manifest();
    Golden {
        engine: manifest.engine.name.clone(),
        commit: manifest.engine.commit.clone(),
        libraries: manifest.libraries.clone(),
        recorded_at: manifest.recorded_at.clone(),
        sha256: golden.manifest_sha256().map(str::to_owned),
    }
}

/// Draws of the golden that the candidate made too: its tokens, and the mark that ends them.
fn draws(golden: &CaseRecord, candidate: &CaseRecord) -> usize {
    let has = |s: &usize| {
        let tokens = Key::segment(Stage::LlmTokens, *s);
        candidate.tensors.contains_key(&tokens)
    };
    let both = (0..golden.segments()).filter(has);
    both.map(|segment| drawn(golden, segment).len()).sum()
}

/// Divergences at places, and at how many of them the likeliest token is the same.
#[derive(Default)]
struct Distances {
    kl: Vec<f64>,
    same_top1: f64,
}

impl Distances {
    /// Those of every draw that was held to the exact engine's.
    fn of_draws(&mut self, candidate: &CaseRecord) {
        let of_steps =
            |key: &&Key| key.stage == Stage::LlmTokens && key.tap.as_deref() == Some(STEPS_TAP);
        for key in candidate.tensors.keys().filter(of_steps) {
            let steps = candidate.tensors.get(key).and_then(Step::from_array);
            for step in steps.unwrap_or_default() {
                self.kl.push(step.kl.into());
                self.same_top1 += f64::from(u8::from(step.same_top1));
            }
        }
    }

    /// Those of the positions that the golden keeps.
    fn of_kept(&mut self, outcome: &CaseOutcome) {
        let stages = outcome
            .stages
            .iter()
            .filter(|s| s.stage == Stage::LlmLogits);
        let values = stages
            .filter_map(|s| s.cell(Feed::Isolated))
            .flat_map(|cell| &cell.values);
        for value in values {
            let (Some(Detail::Logits(logits)), Some(same)) =
                (&value.detail, value.measures.get(&Metric::SameTop1))
            else {
                continue;
            };
            self.kl
                .extend(logits.kl.iter().map(|(_, kl)| f64::from(*kl)));
            self.same_top1 += same.0 * logits.kl.len() as f64;
        }
    }

    fn summary(mut self, places: Places) -> Option<Logits> {
        let count = self.kl.len();
        if count == 0 {
            return None;
        }
        let mean = self.kl.iter().sum::<f64>() / count as f64;
        let mut at = |share| Value(percentile(&mut self.kl, share));
        Some(Logits {
            places,
            count,
            kl_mean: Value(mean),
            kl_p99: at(0.99),
            kl_p999: at(0.999),
            kl_max: at(1.0),
            same_top1: Value(self.same_top1 / count as f64),
        })
    }
}

/// The worst window of the sounds so far.
#[derive(Default)]
struct Sounds {
    worst: Option<Sound>,
}

impl Sounds {
    /// Looks at the sound of the golden's tokens, or, of a candidate that has none, at its own sound
    /// unless that is another speech.
    fn add(&mut self, outcome: &CaseOutcome, golden: &CaseRecord, loaded: &LoadedCase<'_>) {
        let Some((feed, value)) = judged_sound(outcome) else {
            return;
        };
        let Some(candidate) = loaded.candidate(feed) else {
            return;
        };
        let mel = |record: &CaseRecord| log_mel(&record.audio, SAMPLE_RATE);
        let Some(window) = window::worst(&mel(golden), &mel(candidate)) else {
            return;
        };
        // It is not measured in samples that are not finite.
        let measured = value.measures.get(&Metric::MelWindow).copied();
        let limit = value.checks.iter().find(|c| c.metric == Metric::MelWindow);
        let seconds = golden.audio.len() as f64 / f64::from(SAMPLE_RATE);
        let found = Sound {
            cases: 1,
            seconds,
            worst_window: WorstWindow {
                mel_distance: measured.unwrap_or(Value(f64::NAN)),
                case: outcome.name.clone(),
                feed,
                start: window.start,
                seconds: window::SECONDS,
            },
            limit: limit.and_then(|check| check.at_most),
        };
        self.worst = Some(match self.worst.take() {
            None => found,
            Some(before) => {
                let (cases, seconds) = (before.cases + 1, before.seconds + seconds);
                let of = |sound: &Sound| sound.worst_window.mel_distance.0;
                let worse = of(&before).total_cmp(&of(&found)).is_lt();
                let worst = if worse { found } else { before };
                Sound {
                    cases,
                    seconds,
                    ..worst
                }
            }
        });
    }
}

/// The sound of a case that was held against the golden's.
fn judged_sound(outcome: &CaseOutcome) -> Option<(Feed, &ValueOutcome)> {
    let row = outcome.stages.iter().find(|s| s.stage == Stage::Speech)?;
    let judged = |cell: &&Cell| matches!(cell.verdict, Verdict::Pass | Verdict::Fail);
    Feed::ALL.into_iter().find_map(|feed| {
        let cell = row.cell(feed).filter(judged)?;
        Some((feed, cell.values.first()?))
    })
}
