use std::fs::File;
use std::io::{BufWriter, StdoutLock, Write};
use std::path::Path;

use anyhow::Context;
use native::engine::Engine;

/// Where the sound goes as it is made: a wav file that can be played while it grows, or raw samples
/// on standard output.
pub enum Sink {
    File(hound::WavWriter<BufWriter<File>>),
    Raw(StdoutLock<'static>),
}

impl Sink {
    /// The file `output`, or standard output for `-`.
    pub fn open(output: &Path) -> anyhow::Result<Self> {
        if is_stdout(output) {
            return Ok(Self::Raw(std::io::stdout().lock()));
        }
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: Engine::SAMPLE_RATE,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let writer = hound::WavWriter::create(output, spec);
        let writer = writer.with_context(|| output.display().to_string())?;
        Ok(Self::File(writer))
    }

    /// Writes samples at once; nothing stays buffered.
    pub fn write(&mut self, samples: &[f32]) -> anyhow::Result<()> {
        match self {
            Self::File(writer) => {
                for &sample in samples {
                    writer.write_sample(sample)?;
                }
                // This also updates the length in the file's header.
                writer.flush()?;
            }
            Self::Raw(out) => {
                let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                out.write_all(&bytes)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// Ends the sound.
    pub fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::File(writer) => Ok(writer.finalize()?),
            Self::Raw(_) => Ok(()),
        }
    }
}

/// Whether `-` was given for a file.
pub fn is_stdout(output: &Path) -> bool {
    output.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use native::audio::Waveform;

    use super::*;

    #[test]
    fn a_file_contains_every_chunk_as_soon_as_it_is_written() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("speech.wav");
        let mut sink = Sink::open(&path)?;
        sink.write(&[0.5, -0.25])?;
        assert_eq!(Waveform::read(&path)?.samples, [0.5, -0.25]);
        sink.write(&[0.125])?;
        sink.finish()?;
        let wave = Waveform::read(&path)?;
        assert_eq!(wave.samples, [0.5, -0.25, 0.125]);
        assert_eq!(wave.sample_rate, Engine::SAMPLE_RATE);
        Ok(())
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let missing = Path::new("no-such-folder/speech.wav");
        let error = Sink::open(missing).err().expect("nothing to write to");
        assert!(error.to_string().contains("no-such-folder"));
    }
}
