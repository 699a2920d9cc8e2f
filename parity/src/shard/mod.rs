//! Spreading the cases of a run over several machines.
//!
//! Every machine is told which [`Shard`] of the run it has, and finds out by itself which cases
//! belong to it: [`Parts`] follows from the list of cases alone. Job files for several schedulers
//! are in `docs/scale/`.

mod auto;
mod cost;
mod parts;

pub use auto::{AutoError, find};
pub use cost::{case_cost, text_cost};
pub use parts::Parts;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of several runs over which the cases were spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Its number, counted from 1.
    pub index: usize,
    /// The number of shards.
    pub of: usize,
}

impl Shard {
    /// Most shards of a run.
    const MOST: usize = 10_000;

    /// Whether there can be such a shard: its number is one of 1 to the number of shards.
    pub fn is_possible(&self) -> bool {
        (1..=self.of).contains(&self.index) && self.of <= Self::MOST
    }

    /// What is said of a shard that was not given.
    pub(crate) fn missing(&self) -> String {
        format!("shard {} of {}: its report is missing", self.index, self.of)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}
