//! A verdict from few tokens: each one that an engine drew is held to what the reference would have
//! drawn there with the same random numbers.
//!
//! The exact engine follows the candidate's tokens, so that a parting changes nothing that comes after
//! it. At each place the reference's sampler is asked what it draws from the exact logits, and from
//! logits that are as wrong as the candidate's precision makes them ([`LogitErrors`]). Beside it runs
//! the same for every [`Suspect`]: engines that are wrong in some way. The [`Evidence`] is how much more
//! probable they make the tokens.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod errors;
mod evidence;
mod follow;
mod place;
mod samples;
mod suspect;
mod track;
mod trials;
mod verdict;

pub use errors::LogitErrors;
pub use evidence::Evidence;
pub use follow::{Followed, Text, follow};
pub use samples::{Engines, follow_samples};
pub use suspect::Suspect;
pub use trials::{Power, power};
pub use verdict::{Parting, Trace, Verdict, trace};
