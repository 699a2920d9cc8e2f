//! A mono recording: read from a sound file, written as wav.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::{SoundFile, resample};
use crate::new_file::NewFile;
use crate::{Error, Result};

/// Lowest sample rate that the reference resamples from, Hz (CosyVoice `load_wav`, `min_sr`).
pub const MIN_SAMPLE_RATE: u32 = 16_000;

/// The longest recording that [`Waveform::read`] takes, in seconds. The model takes 30; a longer file
/// can be cut, but one that never ends must not fill the memory.
pub const MAX_SECONDS: u32 = 120;

/// Bytes per sample in a written file.
const SAMPLE_BYTES: u32 = 4;
/// Upper bound of the header's size in a written file.
const MAX_HEADER_BYTES: u32 = 128;

/// A mono recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// Samples, full scale at ±1.
    pub samples: Vec<f32>,
    /// Sample rate, Hz.
    pub sample_rate: u32,
}

impl Waveform {
    /// Reads a sound file of any kind that [`SoundFile`] reads, and averages its channels.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or decoded, has no samples, has samples that are not finite, or
    /// lasts more than [`MAX_SECONDS`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(SoundFile::open(path)?, path)
    }

    /// Like [`Waveform::read`], of a sound file that is in memory; `path` names it in messages.
    ///
    /// # Errors
    ///
    /// As for [`Waveform::read`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        Self::of(SoundFile::from_bytes(bytes, path)?, path)
    }

    fn of(mut file: SoundFile, path: &Path) -> Result<Self> {
        let sample_rate = file.sample_rate();
        let most = MAX_SECONDS as usize * sample_rate as usize;
        let mut samples = Vec::new();
        while file.read_block(&mut samples)? {
            if samples.len() > most {
                return Err(Error::format(
                    path,
                    format!(
                        "lasts more than {MAX_SECONDS} s; give a recording of at most 30 s, which \
                         is all that the model can take"
                    ),
                ));
            }
        }
        if samples.is_empty() {
            return Err(Error::format(path, "contains no samples"));
        }
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            let seconds = at as f64 / f64::from(sample_rate);
            return Err(Error::format(
                path,
                format!(
                    "has a sample that is not a finite number, {seconds:.3} s from the start; \
                     record or convert it again"
                ),
            ));
        }
        Ok(Self {
            samples,
            sample_rate,
        })
    }

    /// Writes a mono wav of 32-bit floats. The file is written under a temporary name and then
    /// renamed, so that an interrupted run leaves no partial file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or if a wav header cannot hold the sample rate or the length
    /// (4 GiB).
    pub fn write_f32(&self, path: &Path) -> Result<()> {
        if !(1..=u32::MAX / SAMPLE_BYTES).contains(&self.sample_rate)
            || self.samples.len() > ((u32::MAX - MAX_HEADER_BYTES) / SAMPLE_BYTES) as usize
        {
            return Err(Error::input(format!(
                "{}: {} samples at {} Hz do not fit into a wav file",
                path.display(),
                self.samples.len(),
                self.sample_rate
            )));
        }
        let new = NewFile::create(path)?;
        self.write_to(new.file()).map_err(Error::io(path))?;
        new.finish()
    }

    fn write_to(&self, file: &File) -> std::io::Result<()> {
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
        let mut writer = hound::WavWriter::new(BufWriter::new(file), spec).map_err(io)?;
        for &sample in &self.samples {
            writer.write_sample(sample).map_err(io)?;
        }
        writer.finalize().map_err(io)
    }

    /// The samples at `rate` Hz, by [`resample`].
    ///
    /// # Errors
    ///
    /// If the recording has to be resampled from less than [`MIN_SAMPLE_RATE`], as in the
    /// reference.
    pub fn resampled(&self, rate: u32) -> Result<Vec<f32>> {
        self.at_rate(rate).map(Cow::into_owned)
    }

    /// Like [`Self::resampled`], but without a copy if the recording has that rate already.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_signals::noise;

    fn error_of(name: &str, contents: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        let error = Waveform::read(&path).unwrap_err().to_string();
        assert!(error.contains(name), "does not name the file: {error}");
        error
    }

    fn written(channels: u16, sample_rate: u32, samples: &[f32]) -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels,
            sample_rate,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        samples
            .iter()
            .for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        file.into_inner()
    }

    #[test]
    fn a_written_file_reads_back_identically_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.wav");
        let speech = Waveform {
            samples: noise(1000),
            sample_rate: 24_000,
        };
        speech.write_f32(&path).unwrap();
        speech.write_f32(&path).unwrap();
        assert_eq!(Waveform::read(&path).unwrap(), speech);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(Waveform::from_bytes(bytes, &path).unwrap(), speech);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn writing_into_a_missing_folder_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("speech.wav");
        let speech = Waveform {
            samples: noise(10),
            sample_rate: 24_000,
        };
        assert!(
            speech
                .write_f32(&path)
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
        assert!(speech.write_f32(Path::new("/")).is_err());
    }

    #[test]
    fn writing_a_rate_that_a_wav_header_cannot_hold_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for sample_rate in [0, u32::MAX] {
            let speech = Waveform {
                samples: noise(10),
                sample_rate,
            };
            let error = speech
                .write_f32(&folder.path().join("speech.wav"))
                .unwrap_err();
            assert!(error.to_string().contains("do not fit"), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn channels_are_averaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stereo.wav");
        std::fs::write(&path, written(2, 44_100, &[0.5, 0.25, -1.0, 1.0])).unwrap();
        let stereo = Waveform::read(&path).unwrap();
        assert_eq!(
            stereo,
            Waveform {
                samples: vec![0.375, 0.0],
                sample_rate: 44_100
            }
        );
    }

    #[test]
    fn an_unusable_file_is_an_error_that_names_it() {
        assert!(error_of("a.wav", b"").contains("empty"));
        assert!(error_of("a.wav", b"RIFF").contains("truncated"));
        assert!(error_of("a.wav", b"hello, this is a text").contains("not a wav"));
        assert!(error_of("a.mp3", b"ID3 but nothing after it").contains("contains no sound"));
        assert!(error_of("a.flac", b"fLaC").contains("cannot be decoded"));
        assert!(error_of("a.wav", &written(1, 24_000, &[])).contains("no samples"));
        let mut without_rate = written(1, 24_000, &[0.5]);
        without_rate[24..28].fill(0);
        assert!(error_of("a.wav", &without_rate).contains("0 Hz"));
        let samples = [0.0, 0.5, f32::NAN, 0.5];
        let error = error_of("a.wav", &written(1, 2, &samples));
        assert!(error.contains("1.000 s from the start"), "{error}");
        assert!(error_of("a.wav", &written(2, 24_000, &[0.0, f32::INFINITY])).contains("finite"));
        let missing = Waveform::read(Path::new("no such file.wav"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("no such file.wav"), "{missing}");
    }

    #[test]
    fn rates_below_16_khz_cannot_be_resampled() {
        for sample_rate in [1, 7, 8000, 15_999] {
            let recording = Waveform {
                samples: noise(100),
                sample_rate,
            };
            let error = recording.resampled(24_000).unwrap_err().to_string();
            assert!(error.contains(&format!("{sample_rate} Hz")), "{error}");
            assert_eq!(recording.resampled(sample_rate).unwrap(), recording.samples);
        }
        let recording = Waveform {
            samples: noise(100),
            sample_rate: 16_000,
        };
        assert_eq!(recording.resampled(24_000).unwrap().len(), 150);
    }

    #[test]
    fn the_duration_is_samples_over_rate() {
        assert_eq!(
            Waveform {
                samples: vec![0.0; 36_000],
                sample_rate: 24_000
            }
            .seconds(),
            1.5
        );
    }
}
