use crate::array::Array;
use crate::judge::{CaseOutcome, Cell, LoadedCase, Verdict};
use crate::metric::Metric;
use crate::recording::CaseRecord;
use crate::stage::{Feed, Key, Stage};

/// One case on both sides, and what the judge says of it.
pub(super) struct Evidence<'a> {
    pub(super) golden: &'a CaseRecord,
    pub(super) candidate: &'a CaseRecord,
    outcome: &'a CaseOutcome,
}

impl<'a> Evidence<'a> {
    /// A case that failed. The candidate's cascaded record is what its users hear, and comes first.
    pub(super) fn of(loaded: &'a LoadedCase<'_>, outcome: &'a CaseOutcome) -> Option<Self> {
        let golden = loaded.golden.as_ref().ok()?;
        let feeds = [Feed::Cascaded, Feed::Isolated];
        let candidate = feeds.into_iter().find_map(|f| loaded.candidate(f))?;
        (outcome.verdict == Verdict::Fail).then_some(Self {
            golden,
            candidate,
            outcome,
        })
    }

    /// The stage that the judge blames, or the first that fails.
    pub(super) fn first(&self) -> Option<Stage> {
        let failing = || Stage::all().find(|stage| self.fails(*stage));
        self.outcome.first_introduced.or_else(failing)
    }

    fn cells(&self, stage: Stage) -> impl Iterator<Item = (Feed, &'a Cell)> {
        let row = self.outcome.stages.iter().find(|s| s.stage == stage);
        row.into_iter().flat_map(|row| row.cells())
    }

    /// Whether the stage fails under any feed.
    pub(super) fn fails(&self, stage: Stage) -> bool {
        self.cells(stage).any(|(_, c)| c.verdict == Verdict::Fail)
    }

    /// Whether the stage passes under every feed that has it, and under one at least.
    pub(super) fn passes(&self, stage: Stage) -> bool {
        let mut judged = self.cells(stage).peekable();
        judged.peek().is_some() && judged.all(|(_, c)| c.verdict == Verdict::Pass)
    }

    /// The cell of a stage that fails, the isolated one first.
    pub(super) fn failing_cell(&self, stage: Stage) -> Option<(Feed, &'a Cell)> {
        self.cells(stage).find(|(_, c)| c.verdict == Verdict::Fail)
    }

    /// The worst value of a metric in a stage that fails.
    pub(super) fn worst(&self, stage: Stage, metric: Metric) -> Option<f64> {
        let values = self.cells(stage).flat_map(|(_, c)| &c.values);
        let measured = values.filter_map(|v| Some(v.measures.get(&metric)?.0));
        measured.reduce(f64::max)
    }

    /// The integers of both sides.
    pub(super) fn ids(&self, key: &Key) -> Option<(&'a [i64], &'a [i64])> {
        let of = |record: &'a CaseRecord| record.tensors.get(key).and_then(Array::as_i64);
        Some((of(self.golden)?, of(self.candidate)?))
    }

    /// The floats of both sides, if their shapes agree.
    pub(super) fn floats(&self, key: &Key) -> Option<(&'a Array, &'a [f32], &'a [f32])> {
        let (r, c) = (
            self.golden.tensors.get(key)?,
            self.candidate.tensors.get(key)?,
        );
        let same = r.shape() == c.shape();
        same.then_some((r, r.as_f32()?, c.as_f32()?))
    }
}
