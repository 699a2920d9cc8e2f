//! The table of faults, by the part that they are planted in.

mod causes;
mod flow;
mod golden;
mod limits;
mod llm;
mod prompt;
mod provenance;
mod reports;
mod speech;
mod text;
mod vocoder;

use super::fault::Fault;

/// Every fault, in the order of a synthesis.
pub(super) fn all() -> impl Iterator<Item = &'static Fault> {
    let parts = [
        text::FAULTS,
        prompt::FAULTS,
        llm::FAULTS,
        flow::FAULTS,
        vocoder::FAULTS,
        speech::FAULTS,
        causes::FAULTS,
        golden::FAULTS,
        provenance::FAULTS,
        limits::FAULTS,
        reports::FAULTS,
    ];
    parts.into_iter().flatten()
}
