//! The parity harness: compares an engine's CosyVoice3 with the Python reference, stage by stage.
//!
//! A [`recording`] is what an engine produced for a list of [`case`]s: its inputs, its provenance
//! and one tensor, text or token list for each [`stage`]. Everything else is a diff of two
//! recordings, judged by tolerances that are data.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod array;
pub mod bench;
mod bounded;
pub mod case;
pub mod certificate;
pub mod checkup;
mod child;
pub mod diagnosis;
pub mod diff;
pub mod doctor;
pub mod exit;
mod format;
pub mod judge;
pub mod layers;
pub mod metric;
pub mod number;
mod python_module;
mod random;
pub mod record;
pub mod recording;
pub mod report;
pub mod samples;
pub mod selftest;
pub mod shard;
pub mod sound;
pub mod stage;
pub mod suggest;
pub mod text_corpus;
pub mod trace;
pub mod wav;
pub mod wrong_sampler;
