//! WAV files: any file is read, mixed to mono; recordings are mono float32.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// Rates at which sounds are compared, in Hz: from telephone speech to the fastest converters.
/// Outside this range the 80 mel channels mean nothing, or the header is wrong.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;

/// A sound file, mixed to mono.
#[derive(Clone, Debug, PartialEq)]
pub struct Wav {
    /// Samples per second.
    pub rate: u32,
    /// Channels of the file.
    pub channels: u16,
    /// The sample format, such as `float 32 bit`.
    pub encoding: String,
    /// The mean of the channels, 1 being full scale.
    pub samples: Vec<f32>,
}

/// A sound file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not a WAV file, or is damaged.
    #[error("{}: {source}; expected a WAV file of 8 to 32 bit or 32 bit float", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: hound::Error,
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
}

impl Wav {
    /// Reads `path`: integers of up to 32 bit, or floats, of any number of channels.
    ///
    /// # Errors
    /// If it is not a WAV file, is shorter than its header says, or has a rate outside 8 to 384 kHz.
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

/// The form of sounds in recordings.
fn mono(rate: u32) -> WavSpec {
    WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    }
}

/// A mono float32 file, `rate` samples per second.
///
/// # Errors
/// If the samples are too many for the format.
pub fn encode(samples: &[f32], rate: u32) -> hound::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, mono(rate))?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(bytes.into_inner())
}

/// The samples of a file that [`encode`] wrote, bit for bit.
///
/// # Errors
/// If it is damaged, or has another form or rate.
pub fn decode(bytes: &[u8], rate: u32) -> hound::Result<Vec<f32>> {
    let reader = WavReader::new(bytes)?;
    if reader.spec() != mono(rate) {
        return Err(hound::Error::FormatError(
            "not mono float32 at the expected rate",
        ));
    }
    reader.into_samples().collect()
}

#[cfg(test)]
mod tests {
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
        let wav = Wav::read(&path).unwrap();
        assert_eq!(wav.samples, [0.25, -1.0]);
        assert_eq!(
            (wav.rate, wav.channels, &*wav.encoding),
            (8000, 2, "integer 24 bit")
        );
    }

    #[test]
    fn a_file_that_is_not_a_wav_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        std::fs::write(&path, b"ID3").unwrap();
        let message = Wav::read(&path).unwrap_err().to_string();
        assert!(
            message.contains("a.wav") && message.contains("expected a WAV file"),
            "{message}"
        );
    }
}
