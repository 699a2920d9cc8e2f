//! The text frontend over thousands of lines: what the reference made of them, recorded, and
//! whether the native frontend makes the same of them.
//!
//! `golden/text` holds the texts and `corpus.toml`, which says how the reference is asked about
//! them; what it answered lies in `recorded/`, sealed by a manifest.

mod agreement;
mod answer;
mod check;
mod corpus;
mod generator;
mod manifest;
mod native_answers;
mod plan;
mod setting;

pub use agreement::{Agreement, Disagreement, check_line};
pub use answer::{AnswerLine, FrontendOutput, Outcome};
pub use check::{Example, Failure, SettingSummary, Summary, check};
pub use corpus::{Corpus, CorpusPart, Line, write};
pub use generator::{Generator, LineKind};
pub use manifest::{CorpusManifest, PartInfo, RECORDED, Reference, TEXT_FORMAT};
pub use native_answers::NativeFrontends;
pub use plan::{PLAN, Plan, PlannedCorpusPart, Sampled, Texts};
pub use setting::FrontendSetting;
