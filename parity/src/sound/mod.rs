//! Reading sound files of any kind for a comparison, with the engine's own reader.

mod samples;

use std::path::{Path, PathBuf};

use native::audio::SoundFile;

use samples::Collector;
pub use samples::Samples;

use crate::diff::spectrum::resample;

/// Rates at which sounds are compared, in Hz: from telephone speech to the fastest converters.
/// Outside this range the 80 mel channels mean nothing, or the header is wrong.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;

/// The sound of a file, mixed to mono.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSound {
    /// Samples per second.
    pub rate: u32,
    /// Channels of the file.
    pub channels: usize,
    /// The sample format, such as `float 32 bit`, after the container where that is not wav.
    pub encoding: String,
    /// The mean of the channels, 1 being full scale. All are finite.
    pub samples: Samples,
}

/// A sound file cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or is no sound file.
    #[error(transparent)]
    Unreadable(#[from] native::Error),
    /// The sound is too long for the memory, and no temporary file can hold it.
    #[error(
        "{}: cannot hold the samples of a long sound: {source}; TMPDIR names another folder",
        std::env::temp_dir().display()
    )]
    TooLong {
        /// What failed.
        #[from]
        source: std::io::Error,
    },
    /// The sampling rate is outside the range of speech recordings.
    #[error(
        "{}: unsupported sampling rate of {rate} Hz (expected {} to {} Hz)",
        path.display(), RATES.start(), RATES.end()
    )]
    Rate {
        /// The file.
        path: PathBuf,
        /// Its rate.
        rate: u32,
    },
    /// Samples are NaN or infinite: nothing can be measured.
    #[error(
        "{}: {count} of its samples are not finite numbers, the first {seconds:.3} s from the \
         start: it cannot be compared; a program that wrote it failed",
        path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Where the first one stands.
        seconds: f64,
    },
}

impl FileSound {
    /// Reads `path`, block by block: whatever the engine reads as a prompt, of any length.
    ///
    /// # Errors
    /// If it cannot be read, has a rate outside 8 to 384 kHz, or samples that are not finite.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut file = SoundFile::open(path)?;
        let rate = file.sample_rate();
        if !RATES.contains(&rate) {
            return Err(Error::Rate {
                path: path.to_owned(),
                rate,
            });
        }
        let mut collector = Collector::new();
        let mut block = Vec::new();
        while file.read_block(&mut block)? {
            collector.push(&block)?;
            block.clear();
        }
        collector.push(&block)?;
        let samples = collector.finish()?;
        let is_bad = |s: &f32| !s.is_finite();
        if let Some(first) = samples.iter().position(is_bad) {
            return Err(Error::NotFinite {
                path: path.to_owned(),
                count: samples.iter().filter(|s| is_bad(s)).count(),
                seconds: first as f64 / f64::from(rate),
            });
        }
        let encoding = match (file.container(), file.encoding()) {
            ("wav", encoding) => encoding.to_owned(),
            (container, encoding) if container == encoding => encoding.to_owned(),
            (container, encoding) => format!("{container}, {encoding}"),
        };
        Ok(Self {
            rate,
            channels: file.channels(),
            encoding,
            samples,
        })
    }

    /// The samples at another rate.
    ///
    /// # Errors
    /// If they are too many for the memory, and no temporary file can hold them.
    pub fn at_rate(&self, rate: u32) -> Result<Samples, Error> {
        if rate == self.rate {
            return Ok(self.samples.clone());
        }
        let mut collector = Collector::new();
        resample(&self.samples, self.rate, rate, |part| collector.push(part))?;
        Ok(collector.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use hound::{SampleFormat, WavSpec, WavWriter};

    use super::*;

    #[test]
    fn integers_are_scaled_and_channels_averaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let spec = WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 24,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for sample in [1 << 22, 0, -(1 << 23), -(1 << 23)] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let sound = FileSound::read(&path).unwrap();
        assert_eq!(*sound.samples, [0.25, -1.0]);
        assert_eq!(
            (sound.rate, sound.channels, &*sound.encoding),
            (8000, 2, "integer 24 bit")
        );
    }

    #[test]
    fn a_file_that_is_no_sound_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        std::fs::write(&path, b"IDX and more").unwrap();
        let message = FileSound::read(&path).unwrap_err().to_string();
        assert!(
            message.contains("a.wav") && message.contains("not a wav"),
            "{message}"
        );
    }
}
