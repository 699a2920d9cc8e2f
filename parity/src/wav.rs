//! Reading any wav file.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader};

/// Rates at which sounds are compared, Hz: from telephone speech to what converters offer. Outside
/// them the 80 mel channels mean nothing, or a header is wrong.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;

/// A sound file, mixed to mono.
#[derive(Clone, Debug, PartialEq)]
pub struct Wav {
    /// Samples per second.
    pub rate: u32,
    /// Channels of the file.
    pub channels: u16,
    /// Such as `float 32 bit`.
    pub encoding: String,
    /// The mean of the channels, 1 being full scale.
    pub samples: Vec<f32>,
}

/// A sound file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no wav file, or a damaged one.
    #[error("{}: {source}; give a wav file of 8 to 32 bit or 32 bit float", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: hound::Error,
    },
    /// Its sampling rate is that of no speech.
    #[error(
        "{}: a sampling rate of {rate} Hz; sounds are compared from {} to {} Hz",
        path.display(), RATES.start(), RATES.end()
    )]
    Rate {
        /// The file.
        path: PathBuf,
        /// Its rate.
        rate: u32,
    },
}

impl Wav {
    /// Reads `path`: integers of up to 32 bit, or floats, of any number of channels.
    ///
    /// # Errors
    /// If it is no wav file, ends before its header says, or has a rate outside 8 to 384 kHz.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wav = Self::open(path).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        if RATES.contains(&wav.rate) {
            Ok(wav)
        } else {
            Err(Error::Rate {
                path: path.to_owned(),
                rate: wav.rate,
            })
        }
    }

    fn open(path: &Path) -> hound::Result<Self> {
        let reader = WavReader::open(path)?;
        let spec = reader.spec();
        if spec.channels == 0 || spec.sample_rate == 0 {
            return Err(hound::Error::FormatError("no channels, or a rate of 0"));
        }
        let (kind, values): (_, hound::Result<Vec<f32>>) = match spec.sample_format {
            SampleFormat::Float => ("float", reader.into_samples::<f32>().collect()),
            SampleFormat::Int => {
                let scale = 1.0 / 2f64.powi(i32::from(spec.bits_per_sample) - 1);
                let scaled = |s: hound::Result<i32>| s.map(|s| (f64::from(s) * scale) as f32);
                (
                    "integer",
                    reader.into_samples::<i32>().map(scaled).collect(),
                )
            }
        };
        let values = values?;
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / frame.len() as f32;
        Ok(Self {
            rate: spec.sample_rate,
            channels: spec.channels,
            encoding: format!("{kind} {} bit", spec.bits_per_sample),
            samples: values
                .chunks_exact(usize::from(spec.channels))
                .map(mean)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

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
        let wav = Wav::read(&path).unwrap();
        assert_eq!(wav.samples, [0.25, -1.0]);
        assert_eq!(
            (wav.rate, wav.channels, &*wav.encoding),
            (8000, 2, "integer 24 bit")
        );
    }

    #[test]
    fn what_is_no_wav_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        std::fs::write(&path, b"ID3").unwrap();
        let message = Wav::read(&path).unwrap_err().to_string();
        assert!(
            message.contains("a.wav") && message.contains("give a wav file"),
            "{message}"
        );
    }
}
