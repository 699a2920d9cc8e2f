//! The text frontend on thousands of lines: the recorded outputs of the reference, and whether the
//! native frontend agrees with them.
//!
//! `golden/text` holds the texts and `corpus.toml`, the plan that lists the texts of each frontend
//! setting; the reference's outputs are in `recorded/`, sealed by a manifest.

mod agreement;
mod answer;
mod check;
mod corpus;
mod generator;
mod kept_answers;
mod manifest;
mod native_answers;
mod plan;
mod setting;

pub use agreement::{Agreement, Disagreement, check_line};
pub use answer::{AnswerLine, FrontendOutput, Outcome};
pub use check::{Example, Failure, SettingSummary, Summary, check};
pub use corpus::{Corpus, CorpusPart, Line, reserve, write};
pub use generator::{Generator, LineKind};
pub use kept_answers::{
    Answers, AnswersHeader, JoinAnswersError, KeptAnswers, ReadAnswers, join_answers,
};
pub use manifest::{CorpusManifest, PartInfo, RECORDED, Reference, TEXT_FORMAT};
pub use native_answers::NativeFrontends;
pub use plan::{PLAN, Plan, PlannedCorpusPart, Sampled, Texts};
pub use setting::FrontendSetting;
