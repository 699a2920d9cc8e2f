use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use native::engine::Engine;
use native::new_file::NewFile;

use crate::interrupt;

/// Where the sound goes as it is made: a wav file, or raw samples on standard output.
///
/// The file is begun with the first sound, under a name such as `speech.partial-V0xY1z.wav`, under
/// which it can be played while it grows. Only when everything is said does it get its name, so
/// that a file of that name stays what it was until then. If the speech ends early, by an error or
/// by Ctrl-C, what was said stays under the partial name.
pub enum Sink {
    File(FileSink),
    Raw,
}

/// A wav file.
pub struct FileSink {
    output: PathBuf,
    open: Option<(hound::WavWriter<BufWriter<File>>, NewFile)>,
}

impl Sink {
    /// A sink for the file `output`, or for standard output if that is `-`. Nothing is written
    /// yet, but what can be known is checked: the format, the folder, and whether it can be written
    /// to.
    pub fn new(output: &Path) -> anyhow::Result<Self> {
        if is_stdout(output) {
            return Ok(Self::Raw);
        }
        check_format(output)?;
        drop(NewFile::create(output)?);
        Ok(Self::File(FileSink {
            output: output.to_owned(),
            open: None,
        }))
    }

    /// Writes samples at once; nothing stays buffered.
    pub fn write(&mut self, samples: &[f32]) -> anyhow::Result<()> {
        match self {
            Self::File(sink) => sink
                .write(samples)
                .with_context(|| sink.output.display().to_string()),
            Self::Raw => {
                let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                let mut out = std::io::stdout().lock();
                out.write_all(&bytes)?;
                Ok(out.flush()?)
            }
        }
    }

    /// Ends the sound: the file gets its name.
    pub fn finish(self) -> anyhow::Result<()> {
        let Self::File(FileSink { output, open }) = self else {
            return Ok(());
        };
        let Some((writer, file)) = open else {
            bail!(
                "{}: nothing was said, and nothing written",
                output.display()
            );
        };
        let mut kept = interrupt::hold();
        let written = writer.finalize().context("cannot end the file");
        written.with_context(|| output.display().to_string())?;
        file.finish()?;
        *kept = None;
        Ok(())
    }

    /// Leaves what was written under its partial name, which is returned; nothing if nothing was.
    pub fn keep(self) -> anyhow::Result<Option<PathBuf>> {
        let Self::File(FileSink {
            open: Some((writer, file)),
            ..
        }) = self
        else {
            return Ok(None);
        };
        let _kept = interrupt::hold();
        // The header was brought up to date with the last write that succeeded.
        drop(writer);
        Ok(Some(file.keep()?))
    }
}

impl FileSink {
    fn write(&mut self, samples: &[f32]) -> anyhow::Result<()> {
        let mut kept = interrupt::hold();
        if self.open.is_none() {
            let file = NewFile::create_partial(&self.output)?;
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: Engine::SAMPLE_RATE,
                bits_per_sample: 32,
                sample_format: hound::SampleFormat::Float,
            };
            let writer = BufWriter::new(file.file().try_clone()?);
            let writer = hound::WavWriter::new(writer, spec)?;
            self.open = Some((writer, file));
        }
        if let Some((writer, file)) = &mut self.open {
            for &sample in samples {
                writer.write_sample(sample)?;
            }
            // This also updates the length in the file's header.
            writer.flush()?;
            *kept = Some(file.path().to_owned());
        }
        Ok(())
    }
}

/// Whether `-` was given for a file.
pub fn is_stdout(output: &Path) -> bool {
    output.as_os_str() == "-"
}

/// Refuses a name that promises another format. A name without an extension promises none.
fn check_format(output: &Path) -> anyhow::Result<()> {
    match output.extension() {
        Some(extension) if !extension.eq_ignore_ascii_case("wav") => bail!(
            "{}: only wav files can be written, not {}: end the name in .wav, or write raw samples \
             to standard output (-o -) for another program to convert",
            output.display(),
            extension.to_string_lossy()
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use native::audio::Waveform;

    use super::*;

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|e| e.expect("an entry").path()).collect()
    }

    #[test]
    fn a_file_contains_every_chunk_as_soon_as_it_is_written() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("speech.wav");
        let mut sink = Sink::new(&path)?;
        assert_eq!(names(folder.path()), [] as [PathBuf; 0]);
        sink.write(&[0.5, -0.25])?;
        assert!(!path.exists());
        let [partial] = &names(folder.path())[..] else {
            panic!("one file");
        };
        assert_eq!(Waveform::read(partial)?.samples, [0.5, -0.25]);
        sink.write(&[0.125])?;
        sink.finish()?;
        let wave = Waveform::read(&path)?;
        assert_eq!(wave.samples, [0.5, -0.25, 0.125]);
        assert_eq!(wave.sample_rate, Engine::SAMPLE_RATE);
        assert_eq!(names(folder.path()), [path]);
        Ok(())
    }

    #[test]
    fn what_was_said_before_an_error_is_kept_beside_the_old_file() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("speech.wav");
        std::fs::write(&path, "old")?;
        let mut sink = Sink::new(&path)?;
        sink.write(&[0.5])?;
        let kept = sink.keep()?.expect("a file");
        assert_eq!(Waveform::read(&kept)?.samples, [0.5]);
        assert_eq!(std::fs::read(&path)?, b"old");
        Ok(())
    }

    #[test]
    fn a_sink_without_sound_leaves_no_file() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("speech.wav");
        assert!(Sink::new(&path)?.keep()?.is_none());
        assert!(Sink::new(&path)?.finish().is_err());
        assert!(names(folder.path()).is_empty());
        Ok(())
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let missing = Path::new("no-such-folder/speech.wav");
        let error = Sink::new(missing).err().expect("nothing to write to");
        assert!(error.to_string().contains("no-such-folder"));
    }

    #[test]
    fn a_name_that_promises_another_format_is_refused() {
        for (name, taken) in [
            ("a.WAV", true),
            ("a", true),
            ("a.mp3", false),
            ("a.wav.flac", false),
        ] {
            assert_eq!(check_format(Path::new(name)).is_ok(), taken, "{name}");
        }
    }
}
