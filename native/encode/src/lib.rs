//! Speech as other programs read it, written while it is made.
//!
//! An [`Encoder`] takes samples at the engine's rate and gives the bytes of a sound file, or of a
//! stream that ends when the speech does. The bytes do not depend on how the samples are cut into
//! pieces.
//!
//! ```
//! use native_encode::{Encoder, FileFormat, Kind};
//!
//! # fn main() -> native::Result<()> {
//! let mut encoder = Encoder::new(Kind::new(FileFormat::Flac))?;
//! let mut bytes = encoder.start();
//! bytes.extend(encoder.push(&[0.25; 24_000])?);
//! bytes.extend(encoder.finish()?.bytes);
//! assert!(bytes.starts_with(b"fLaC"));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod encoder;
mod file_writer;
mod flac;
mod format;
#[cfg(feature = "mp3")]
mod mp3;
mod opus;
mod opus_codec;
mod samples;
mod wav;

pub use encoder::{Encoder, End};
pub use file_writer::FileWriter;
pub use format::{FileFormat, Kind, SampleFormat};
pub use samples::int16;
