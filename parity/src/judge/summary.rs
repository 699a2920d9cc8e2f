use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::{CaseOutcome, StageOutcome, Verdict};
use crate::exit::Exit;

/// The counts of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Cases by verdict.
    pub cases: BTreeMap<Verdict, usize>,
    /// Stages of cases by verdict; isolated and cascaded ones count separately.
    pub cells: BTreeMap<Verdict, usize>,
    /// Cases whose golden has to be repaired.
    pub goldens_at_fault: usize,
}

impl Summary {
    /// Counts the verdicts.
    pub fn of(cases: &[CaseOutcome]) -> Self {
        let mut summary = Self::default();
        for case in cases {
            *summary.cases.entry(case.verdict).or_default() += 1;
            summary.goldens_at_fault += usize::from(case.golden_at_fault);
            for (_, cell) in case.stages.iter().flat_map(StageOutcome::cells) {
                *summary.cells.entry(cell.verdict).or_default() += 1;
            }
        }
        summary
    }

    /// The number of stages of cases with a verdict.
    pub fn cells(&self, verdict: Verdict) -> usize {
        self.cells.get(&verdict).copied().unwrap_or(0)
    }

    /// The exit status. A failure outweighs a bad golden, because it is certain.
    pub fn exit(&self) -> Exit {
        if self.cells(Verdict::Fail) + self.cells(Verdict::Missing) > 0 {
            Exit::Failed
        } else if self.goldens_at_fault > 0 {
            Exit::Golden
        } else if self.cells(Verdict::Pass) == 0 {
            Exit::NothingCompared
        } else {
            Exit::Parity
        }
    }
}
