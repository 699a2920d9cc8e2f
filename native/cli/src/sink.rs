use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use native::new_file::NewFile;
use native_encode::{Encoder, FileFormat, FileWriter, Kind, SampleFormat};

use crate::interrupt;

/// Where the sound goes as it is made: a sound file, or raw samples on standard output.
///
/// The file is begun with the first sound, under a name such as `speech.partial-V0xY1z.wav`, under
/// which it can be played while it grows. Only when everything is said does it get its name, so
/// that a file of that name stays what it was until then. If the speech ends early, by an error or
/// by Ctrl-C, what was said stays under the partial name.
pub enum Sink {
    File(FileSink),
    Raw(Encoder),
}

/// A sound file.
pub struct FileSink {
    output: PathBuf,
    kind: Kind,
    open: Option<(FileWriter<BufWriter<File>>, NewFile)>,
}

/// What is written where the options do not say it: the format that the file's name promises, with
/// the samples as they were computed where the format can have them.
pub fn kind_of(
    output: &Path,
    samples: Option<SampleFormat>,
    sample_rate: u32,
) -> native::Result<Kind> {
    let format = match is_stdout(output) {
        true => FileFormat::Pcm,
        false => FileFormat::of_file(output)?,
    };
    let kind = Kind {
        samples: samples.unwrap_or(match format {
            FileFormat::Wav | FileFormat::Pcm => SampleFormat::Float32,
            _ => SampleFormat::Int16,
        }),
        sample_rate,
        ..Kind::new(format)
    };
    kind.check()?;
    Ok(kind)
}

impl Sink {
    /// A sink for the file `output`, or for standard output if that is `-`. Nothing is written
    /// yet, but what can be known is checked: the folder, and whether it can be written to.
    pub fn new(output: &Path, kind: Kind) -> anyhow::Result<Self> {
        if is_stdout(output) {
            return Ok(Self::Raw(Encoder::new(kind)?));
        }
        drop(NewFile::create(output)?);
        Ok(Self::File(FileSink {
            output: output.to_owned(),
            kind,
            open: None,
        }))
    }

    /// Writes samples at once; nothing stays buffered.
    pub fn write(&mut self, samples: &[f32]) -> anyhow::Result<()> {
        match self {
            Self::File(sink) => sink
                .write(samples)
                .with_context(|| sink.output.display().to_string()),
            Self::Raw(encoder) => to_stdout(&encoder.push(samples)?),
        }
    }

    /// Ends the sound: the file gets its name.
    pub fn finish(self) -> anyhow::Result<()> {
        let FileSink { output, open, .. } = match self {
            Self::File(sink) => sink,
            Self::Raw(encoder) => return to_stdout(&encoder.finish()?.bytes),
        };
        let Some((writer, file)) = open else {
            bail!(
                "{}: nothing was said, and nothing written",
                output.display()
            );
        };
        let mut kept = interrupt::hold();
        let written = writer.finish().context("cannot end the file");
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
            let writer = BufWriter::new(file.file().try_clone()?);
            let writer = FileWriter::new(writer, self.kind)?;
            self.open = Some((writer, file));
        }
        if let Some((writer, file)) = &mut self.open {
            writer.write(samples)?;
            *kept = Some(file.path().to_owned());
        }
        Ok(())
    }
}

/// Whether `-` was given for a file.
pub fn is_stdout(output: &Path) -> bool {
    output.as_os_str() == "-"
}

fn to_stdout(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use native::audio::Waveform;
    use native::engine::Engine;

    use super::*;

    fn sink(path: &Path) -> anyhow::Result<Sink> {
        Sink::new(path, kind_of(path, None, Engine::SAMPLE_RATE)?)
    }

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|e| e.expect("an entry").path()).collect()
    }

    #[test]
    fn a_file_contains_every_chunk_as_soon_as_it_is_written() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("speech.wav");
        let mut sink = sink(&path)?;
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
        let mut sink = sink(&path)?;
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
        assert!(sink(&path)?.keep()?.is_none());
        assert!(sink(&path)?.finish().is_err());
        assert!(names(folder.path()).is_empty());
        Ok(())
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let missing = Path::new("no-such-folder/speech.wav");
        let error = sink(missing).err().expect("nothing to write to");
        assert!(error.to_string().contains("no-such-folder"));
    }

    #[test]
    fn a_files_name_chooses_its_format_and_the_samples_are_kept_whole_where_they_can_be() {
        let kind = |name, samples| kind_of(Path::new(name), samples, 24_000);
        for (name, expected) in [
            ("-", (FileFormat::Pcm, SampleFormat::Float32)),
            ("a.WAV", (FileFormat::Wav, SampleFormat::Float32)),
            ("a.wav.flac", (FileFormat::Flac, SampleFormat::Int16)),
            ("a.ogg", (FileFormat::Opus, SampleFormat::Int16)),
        ] {
            let kind = kind(name, None).expect(name);
            assert_eq!((kind.format, kind.samples), expected, "{name}");
        }
        let wav = kind("a.wav", Some(SampleFormat::Int16)).expect("a wav");
        assert_eq!(wav.samples, SampleFormat::Int16);
        assert!(kind("a.flac", Some(SampleFormat::Float32)).is_err());
        assert!(kind("a.m4a", None).is_err());
    }
}
