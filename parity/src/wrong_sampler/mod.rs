//! What a wrong sampler does to speech: the engine's own language model, sampled with the mistakes
//! that ports make, and how much longer its speech becomes.

mod mistake;
mod run;
mod utterance;

pub use mistake::{Mistake, Sampled};
pub use run::{Findings, Heard, Margins, Row, Runs, run};
pub use utterance::Utterance;
