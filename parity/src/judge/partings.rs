//! Tokens that part from the reference's: which of them the logits explain, and what follows them.

use super::outcome::{CaseOutcome, Verdict};
use crate::array::Array;
use crate::diff::partings::{Step, find};
use crate::diff::tensor::percentile;
use crate::metric::{Measures, Metric, Value};
use crate::recording::{CaseRecord, STEPS_TAP};
use crate::stage::{Feed, Key, Stage};

/// Counts the partings of sampled tokens under `key`, each drawn from the golden's history, where a
/// divergence of `allowed` nats is allowed at any one of them; and says how far the logits were apart
/// that they were drawn from.
pub(super) fn measure(
    measures: &mut Measures,
    sides: (&CaseRecord, &CaseRecord),
    key: &Key,
    allowed: f64,
) {
    let (golden, candidate) = sides;
    let (Some(segment), None) = (key.segment, &key.tap) else {
        return;
    };
    let steps = steps_of(candidate, segment);
    let golden = drawn(golden, segment);
    let mut partings = find(&golden, &drawn(candidate, segment), &steps, allowed);
    match key.stage {
        Stage::LlmTokens => {
            // An end at the same place by another mark is llm.stop's.
            let tokens = |record: &CaseRecord| record.tensors.get(key).map_or(0, Array::len);
            let longer = tokens(sides.0).max(tokens(sides.1));
            partings.retain(|p| p.position < longer);
            distances(measures, &steps);
        }
        // The mark is the last draw.
        Stage::LlmStop => partings.retain(|p| p.position + 1 >= golden.len()),
        _ => return,
    }
    // What is recorded of an end beside its mark has no draw to explain it.
    let differs = sides.0.tensors.get(key) != sides.1.tensors.get(key);
    let beside = usize::from(differs && partings.is_empty());
    let explained = partings.iter().filter(|p| p.explained).count();
    let values = [
        (Metric::ExplainedPartings, explained),
        (
            Metric::UnexplainedPartings,
            partings.len() - explained + beside,
        ),
    ];
    measures.extend(values.map(|(metric, count)| (metric, Value(count as f64))));
}

/// How far the distributions were apart from which tokens were drawn.
fn distances(measures: &mut Measures, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    let mut kl: Vec<f64> = steps.iter().map(|s| f64::from(s.kl)).collect();
    let count = kl.len() as f64;
    let mean = kl.iter().sum::<f64>() / count;
    let same = steps.iter().filter(|s| s.same_top1).count() as f64;
    let variance: f64 = steps.iter().map(|s| f64::from(s.variance)).sum();
    let covariance: f64 = steps.iter().map(|s| f64::from(s.covariance)).sum();
    let values = [
        (Metric::LogitGain, covariance / variance),
        (Metric::KlMean, mean),
        (Metric::KlP99, percentile(&mut kl, 0.99)),
        (Metric::KlMax, percentile(&mut kl, 1.0)),
        (Metric::SameTop1, same / count),
    ];
    measures.extend(values.map(|(metric, value)| (metric, Value(value))));
}

fn steps_of(record: &CaseRecord, segment: usize) -> Vec<Step> {
    let key = Key::segment(Stage::LlmTokens, segment).tap(STEPS_TAP);
    let steps = record.tensors.get(&key).and_then(Step::from_array);
    steps.unwrap_or_default()
}

/// The tokens of a segment, and the mark that ended them.
pub(crate) fn drawn(record: &CaseRecord, segment: usize) -> Vec<i64> {
    let key = Key::segment(Stage::LlmTokens, segment);
    let tokens = record.tensors.get(&key).and_then(Array::as_i64);
    let mut drawn = tokens.unwrap_or_default().to_vec();
    drawn.extend(stop(record, segment));
    drawn
}

fn stop(record: &CaseRecord, segment: usize) -> Option<i64> {
    let stop = record.tensors.get(&Key::segment(Stage::LlmStop, segment))?;
    stop.as_i64()?.first().copied().filter(|mark| *mark >= 0)
}

/// Where the tokens of a whole synthesis part from the reference's, if they do so where and as they
/// did step by step: the segment, the position, and what was drawn.
pub(super) fn same_parting(
    golden: &CaseRecord,
    isolated: &CaseRecord,
    cascaded: &CaseRecord,
) -> Option<(usize, usize)> {
    let first = |record: &CaseRecord, segment: usize| {
        let (golden, found) = (drawn(golden, segment), drawn(record, segment));
        let differs = |at: &usize| golden.get(*at) != found.get(*at);
        let at = (0..golden.len().max(found.len())).find(differs)?;
        Some((at, found.get(at).copied()))
    };
    let (segment, parting) = (0..golden.segments()).find_map(|s| Some((s, first(cascaded, s)?)))?;
    (first(isolated, segment) == Some(parting)).then_some((segment, parting.0))
}

/// Whether a stage follows the sampled tokens, so that it is another speech where they part.
pub(crate) fn follows_tokens(stage: Stage) -> bool {
    stage >= Stage::LlmTokens
}

/// Whether a case has explained partings, and none that is not.
pub(crate) fn has_explained(outcome: &CaseOutcome) -> bool {
    let tokens = outcome.stages.iter().find(|s| s.stage == Stage::LlmTokens);
    tokens
        .and_then(|s| s.cell(Feed::Isolated))
        .is_some_and(|cell| cell.verdict == Verdict::Pass)
        && explained_and_not(std::iter::once(outcome)).0 > 0
}

/// Explained and unexplained partings of all cases.
pub(crate) fn explained_and_not<'a>(
    outcomes: impl Iterator<Item = &'a CaseOutcome>,
) -> (usize, usize) {
    let tokens = outcomes
        .flat_map(|o| &o.stages)
        .filter(|s| s.stage == Stage::LlmTokens);
    let cells = tokens.filter_map(|s| s.cell(Feed::Isolated));
    let values: Vec<_> = cells.flat_map(|cell| &cell.values).collect();
    let sum = |metric| {
        let counts = values.iter().filter_map(|v| v.measures.get(&metric));
        counts.map(|v| v.0 as usize).sum()
    };
    (
        sum(Metric::ExplainedPartings),
        sum(Metric::UnexplainedPartings),
    )
}
