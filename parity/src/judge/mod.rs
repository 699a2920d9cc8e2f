//! Verdicts: what was measured, held against limits that are data.

mod compare;
mod outcome;
mod stale;
mod summary;
mod tolerances;
mod trial;

pub use compare::{Compared, Detail, ValueDiff, compare};
pub(crate) use stale::candidate as stale_candidate;

pub use outcome::{CaseOutcome, Cell, Check, Origin, StageOutcome, ValueOutcome, Verdict};
pub use summary::Summary;
pub use tolerances::{Error as ToleranceError, Floor, Limit, Pins, Setting, Tolerances};
pub use trial::{Loaded, Trial};
