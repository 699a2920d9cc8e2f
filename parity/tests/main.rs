//! The harness from outside: the native engine against the goldens, recordings on disk, verdicts,
//! reports and the command.

mod annotations;
#[cfg(unix)]
mod browser;
mod certificate;
#[cfg(unix)]
mod chromium;
mod command;
mod comparing;
mod determinism;
mod doctor;
mod first_mismatch;
mod foreign;
mod formats;
mod fuzz_corpus;
mod golden_cases;
mod guides;
mod history;
mod hostile_cases;
mod hostile_recordings;
#[cfg(unix)]
mod interruptions;
mod judging;
mod layers;
mod length_parity;
mod line_ends;
mod lm_weights;
mod made_up;
mod near_ties;
mod planted_faults;
mod public_figures;
mod recording_on_disk;
mod reporting;
#[cfg(feature = "record")]
#[path = "../../native/tests/sampler_draws.rs"]
mod sampler_draws;
#[cfg(feature = "record")]
mod sampler_live;
mod samples;
mod scoreboard;
mod shards_and_trends;
mod spoiled;
mod spoiled_limits;
mod spoiled_reports;
#[cfg(unix)]
mod spread;
mod style;
mod text_corpus;
mod text_properties;
mod text_snapshots;
mod trace;
mod wrong_sampler;

/// The models that the goldens belong to.
mod model {
    pub use parity_fixture::testing::{tiny_model as tiny, voice_model as voice, workspace};
}
