use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::GrossFault;

/// How many of the faults that the limits let through are named in a line.
const NAMED: usize = 3;

/// The limits that a run was judged by, and how they were tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitsInfo {
    /// SHA-256 of the limits and of the references that they are for.
    pub sha256: String,
    /// The gross faults that were planted in the golden's values and judged by these limits.
    pub faults: Vec<GrossFault>,
}

impl LimitsInfo {
    /// The faults that were green.
    pub fn let_through(&self) -> impl Iterator<Item = &GrossFault> {
        self.faults.iter().filter(|f| !f.caught)
    }

    /// What is wrong with the limits, in one line.
    pub fn problem(&self) -> Option<String> {
        let words = |f: &GrossFault| format!("{} {}, {}", f.stage, f.feed.name(), f.what);
        let named: Vec<_> = self.let_through().take(NAMED).map(words).collect();
        let (count, all) = (self.let_through().count(), self.faults.len());
        (count > 0).then(|| {
            format!(
                "the limits let {count} of {all} gross faults through, such as {}",
                named.join("; ")
            )
        })
    }
}
