//! How long engines take, part by part, beside what the machine can do at most.
//!
//! Every engine runs in a process of its own, so that its memory is its own, and all say a case in
//! turns, so that other work on the machine disturbs them alike.

mod machine;
mod table;
mod worker;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use machine::{Machine, Peaks, processor};
pub use table::table;
pub use worker::{Said, Worker, peak_memory, serve};

/// The version of the format.
pub const VERSION: u32 = 2;

/// The parts of the work, in its order, by the names under which every engine times them.
pub const PARTS: [&str; 9] = [
    "text",
    "prompt features",
    "speech tokenizer",
    "speaker embedding",
    "language model",
    "of it the prefill",
    "flow",
    "vocoder",
    "end to end",
];

/// What was timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// [`VERSION`].
    pub version: u32,
    /// Where.
    pub machine: Machine,
    /// Threads of each engine.
    pub threads: usize,
    /// Each engine, the reference first if there is one.
    pub engines: Vec<EngineBench>,
}

/// One engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineBench {
    /// `reference`, or `native` and its precision.
    pub name: String,
    /// Seconds that loading took.
    pub load: f64,
    /// The most bytes of memory that the process had, where the system tells.
    pub peak_memory: Option<u64>,
    /// What limits it, for a native engine.
    pub work: Option<Work>,
    /// Each case.
    pub cases: Vec<CaseBench>,
}

/// What an engine reads and computes, to hold its times against the machine's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Bytes of weights that are read for each token.
    pub bytes_per_token: u64,
    /// The format that limits the flow's products.
    pub flow_format: FlowFormat,
}

/// The numbers that a flow multiplies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowFormat {
    /// float32.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
    /// 8-bit integers.
    Int8,
}

/// One case, said several times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseBench {
    /// The case.
    pub name: String,
    /// Speech tokens that were sampled.
    pub tokens: usize,
    /// Seconds of the sound.
    pub sound: f64,
    /// Operations of the flow's linear layers, a multiply-add counted as two.
    pub flow_operations: Option<u64>,
    /// Seconds of every run, by part.
    pub seconds: BTreeMap<String, Vec<f64>>,
}

impl CaseBench {
    /// The quickest run of a part, which other work on the machine disturbed least.
    pub fn quickest(&self, part: &str) -> Option<f64> {
        self.seconds.get(part)?.iter().copied().reduce(f64::min)
    }

    /// The median run of a part.
    pub fn median(&self, part: &str) -> Option<f64> {
        let mut runs = self.seconds.get(part)?.clone();
        runs.sort_by(f64::total_cmp);
        let middle = runs.len().checked_sub(1)? / 2;
        let upper = runs.len() / 2;
        Some((runs.get(middle)? + runs.get(upper)?) / 2.0)
    }

    /// Tokens a second once the prompt is read, of the quickest runs.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let whole = self.quickest("language model")?;
        let decoding = whole - self.quickest("of it the prefill")?;
        (decoding > 0.0).then(|| self.tokens as f64 / decoding)
    }
}
