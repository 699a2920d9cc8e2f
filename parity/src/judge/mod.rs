//! Verdicts: measures, checked against limits that are data.

mod evaluation;
mod explain;
mod limit_rules;
mod limits_test;
mod outcome;
pub(crate) mod partings;
mod stale;
mod summary;
mod tolerances;
mod value_diff;

pub use stale::candidate as candidate_misfits;
pub use value_diff::{Compared, Detail, ValueDiff, diff_value};

pub use evaluation::{Evaluation, LoadedCase};
pub use explain::{closest_to_limit, explain, held_to_limit, is_exact, margin};
pub use limits_test::{GrossFault, LimitsTest};
pub use outcome::{
    CaseOutcome, Cell, Check, CheckedFloor, Origin, StageOutcome, ValueOutcome, Verdict,
};
pub use stale::manifests as misfits;
pub use summary::Summary;
pub use tolerances::{Conditions, Error as ToleranceError, Floor, Limit, Pins, Tolerances};
