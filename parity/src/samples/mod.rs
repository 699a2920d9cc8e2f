//! Whether two engines say the same where their tokens cannot be equal: many draws of the same
//! texts, compared as distributions.
//!
//! [`Samples`] are what an engine's language model says with many seeds. [`compare`] holds a
//! candidate's against the reference's: tests of difference, which find faults, and tests of
//! equivalence, without which nothing would be proven where no difference is found.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod choose;
mod compare;
mod difference;
mod distribution;
mod draw;
mod equivalence;
mod exact;
mod feature;
mod file;
mod limits;
mod manifest;
mod permutation;
mod planted;
mod python;
mod statistic;
mod summary;
mod trials;

pub use choose::choose;
pub use compare::{Comparison, Error, Settings, Verdict, compare, compare_draws};
pub use difference::{Difference, MostDifferent};
pub use distribution::Distribution;
pub use draw::{Drawing, draw};
pub use equivalence::{Equivalence, Estimate};
pub use exact::Exact;
pub use file::{Draw, Samples, TextDraws};
pub use limits::{ALPHA, Margins, OVERLONG};
pub use manifest::{SAMPLES, SamplesManifest};
pub use planted::Planted;
pub use python::{PythonDrawing, python};
pub use statistic::Statistic;
pub use summary::{DifferenceTest, DrawsSummary, EquivalenceTest};
pub use trials::{Trials, trials};
