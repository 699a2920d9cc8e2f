//! A mono recording: read from wav, flac or mp3, written as wav.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::{compressed, resample, riff};
use crate::{Error, Result};

/// The lowest rate the reference resamples from, Hz (CosyVoice `load_wav`, `min_sr`).
pub const MIN_SAMPLE_RATE: u32 = 16_000;

/// A mono recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// Samples, full scale at ±1; the mean of the channels if the file had several.
    pub samples: Vec<f32>,
    /// Samples a second, Hz.
    pub sample_rate: u32,
}

impl Waveform {
    /// Reads a wav (integer PCM of 8 to 32 bits, or float), flac or mp3 file, mixed down to mono.
    ///
    /// Samples are scaled as libsndfile scales them, which the reference reads with: integers of
    /// n bits are divided by 2ⁿ⁻¹. What the file is follows from its first bytes, not its name.
    /// A file without samples, or with samples that are not finite, is an error.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let decoded = if riff::is_wav(&bytes) {
            riff::decode(&bytes)
        } else if compressed::is_supported(&bytes) {
            compressed::decode(bytes, path.extension().and_then(|e| e.to_str()))
        } else if bytes.is_empty() {
            Err("the file is empty".to_owned())
        } else {
            Err("neither a wav, a flac nor an mp3 file".to_owned())
        };
        let Interleaved {
            samples,
            channels,
            sample_rate,
        } = decoded.map_err(|reason| Error::format(path, reason))?;
        if sample_rate == 0 {
            return Err(Error::format(path, "states a sample rate of 0 Hz"));
        }
        if samples.len() < channels {
            return Err(Error::format(path, "holds no samples"));
        }
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            let seconds = (at / channels) as f64 / f64::from(sample_rate);
            return Err(Error::format(
                path,
                format!("has a sample that is not a finite number, {seconds:.3} s from the start"),
            ));
        }
        Ok(Self {
            samples: mix_down(samples, channels),
            sample_rate,
        })
    }

    /// Writes a mono wav of 32-bit floats, beside `path` first and then renamed to it, so that
    /// an interrupted run leaves no half file.
    pub fn write_f32(&self, path: &Path) -> Result<()> {
        let temporary = temporary_beside(path)?;
        let written = self
            .write_to(&temporary)
            .and_then(|()| std::fs::rename(&temporary, path))
            .map_err(Error::io(path));
        if written.is_err() {
            // What matters to the caller is why writing failed.
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.sample_rate,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let io = |e| match e {
            hound::Error::IoError(e) => e,
            other => std::io::Error::other(other),
        };
        let mut writer = hound::WavWriter::create(path, spec).map_err(io)?;
        for &sample in &self.samples {
            writer.write_sample(sample).map_err(io)?;
        }
        writer.finalize().map_err(io)
    }

    /// The samples at `rate` Hz, by [`resample`].
    ///
    /// Like the reference, refuses to resample from less than [`MIN_SAMPLE_RATE`].
    pub fn resampled(&self, rate: u32) -> Result<Vec<f32>> {
        self.at_rate(rate).map(Cow::into_owned)
    }

    /// [`Self::resampled`] without the copy where the rate is right already.
    pub(crate) fn at_rate(&self, rate: u32) -> Result<Cow<'_, [f32]>> {
        if self.sample_rate == rate {
            return Ok(Cow::Borrowed(&self.samples));
        }
        if self.sample_rate < MIN_SAMPLE_RATE {
            return Err(Error::input(format!(
                "the recording has a sample rate of {} Hz; a voice prompt needs at least \
                 {MIN_SAMPLE_RATE} Hz",
                self.sample_rate
            )));
        }
        Ok(Cow::Owned(resample(&self.samples, self.sample_rate, rate)))
    }

    /// Duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}

/// What a decoder read: all channels, interleaved, full scale at ±1.
pub(super) struct Interleaved {
    pub samples: Vec<f32>,
    /// At least 1.
    pub channels: usize,
    pub sample_rate: u32,
}

/// The mean over the channels, summed in float32 in their order as torch does.
fn mix_down(samples: Vec<f32>, channels: usize) -> Vec<f32> {
    if channels == 1 {
        return samples;
    }
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
    samples.chunks_exact(channels).map(mean).collect()
}

fn temporary_beside(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Error::input(format!(
            "{}: not the name of a file",
            path.display()
        )));
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}
