use std::path::PathBuf;
use std::time::Instant;

use native::engine::{Chunk, Engine, SegmentInfo, Speech, StageSeconds};
use native::llm::Stop;

use crate::sink::Sink;
use crate::timing::Timing;

/// Collects the speech, and reports on a terminal how far it has come.
pub struct Progress {
    /// Whether it is reported.
    pub shown: bool,
    /// How many segments there will be.
    pub segments: usize,
    /// When the speech was begun.
    pub started: Instant,
    /// What was said so far.
    pub speech: Speech,
    /// When the segments are heard, with the silence between them.
    pub timing: Timing,
    /// Seconds until the first chunk.
    pub first_sound: Option<f64>,
    /// What the user was warned of.
    pub warnings: Vec<String>,
}

impl Progress {
    /// Writes the speech as it is made. After an error, what was said before it is kept.
    pub fn deliver(
        &mut self,
        speech: impl IntoIterator<Item = native::Result<Chunk>>,
        mut sink: Sink,
    ) -> anyhow::Result<()> {
        for chunk in speech {
            let delivered = chunk.map_err(anyhow::Error::from).and_then(|chunk| {
                let silence = self.timing.add(chunk.segment, chunk.samples.len());
                write_silence(&mut sink, silence)?;
                sink.write(&chunk.samples)?;
                self.add(chunk);
                Ok(())
            });
            if let Err(error) = delivered {
                let said = self.said(sink.keep()?);
                return Err(match said {
                    Some(said) => error.context(said),
                    None => error,
                });
            }
        }
        write_silence(&mut sink, self.timing.end())?;
        sink.finish()
    }

    /// How much was said before an error; nothing if nothing was.
    fn said(&self, kept: Option<PathBuf>) -> Option<String> {
        let (whole, of) = (self.speech.segments.len(), self.segments);
        let seconds = self.speech.seconds();
        let place = match kept {
            Some(path) => format!("and is kept in {}", path.display()),
            None => "before the error".to_owned(),
        };
        (seconds > 0.0).then(|| {
            format!("{seconds:.2} s of speech ({whole} of {of} segments) was said {place}")
        })
    }

    fn add(&mut self, chunk: Chunk) {
        let now = self.started.elapsed().as_secs_f64();
        self.first_sound.get_or_insert(now);
        let seconds = |samples| samples as f64 / f64::from(Engine::SAMPLE_RATE);
        let (length, segment) = (chunk.samples.len(), chunk.segment);
        let end = chunk.end.clone();
        self.speech.push(chunk);
        if let Some(warning) = end.as_ref().and_then(|end| stop_warning(segment, end)) {
            warn(&warning);
            self.warnings.push(warning);
        }
        if !self.shown {
            return;
        }
        if end.is_none() {
            eprintln!("chunk of {:.2} s after {now:.2} s", seconds(length));
        }
        if let Some(SegmentInfo {
            tokens,
            seconds: spent,
            ..
        }) = end
        {
            let StageSeconds { llm, flow, vocoder } = spent;
            eprintln!(
                "segment {}/{}: {} speech tokens, {:.2} s of speech; language model {llm:.2} s, \
                 flow {flow:.2} s, vocoder {vocoder:.2} s",
                segment + 1,
                self.segments,
                tokens.len(),
                seconds(self.speech.segment_lengths.last().copied().unwrap_or(0)),
            );
        }
    }
}

fn write_silence(sink: &mut Sink, samples: usize) -> anyhow::Result<()> {
    match samples {
        0 => Ok(()),
        samples => sink.write(&vec![0.0; samples]),
    }
}

/// Warns the user.
pub fn warn(warning: &str) {
    eprintln!("warning: {warning}");
}

/// What is to be said of a segment that did not end by itself.
fn stop_warning(segment: usize, info: &SegmentInfo) -> Option<String> {
    let (number, tokens) = (segment + 1, info.tokens.len());
    match info.stop? {
        Stop::StopToken(_) => None,
        Stop::MaxLength => Some(format!(
            "segment {number} was cut off at {tokens} speech tokens, the most that it may have: it \
             had not ended by itself"
        )),
        Stop::OutOfPlace(mark) => Some(format!(
            "segment {number} ended after {tokens} speech tokens by the mark {mark}, which was out \
             of place: some of it may be missing (the reference raises an exception there)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use native::audio::Waveform;

    use super::*;
    use crate::sink::kind_of;

    fn sink(path: &Path) -> anyhow::Result<Sink> {
        Sink::new(path, kind_of(path, None, Engine::SAMPLE_RATE)?)
    }

    fn progress() -> Progress {
        Progress {
            shown: false,
            segments: 3,
            started: Instant::now(),
            speech: Speech::default(),
            timing: Timing::default(),
            first_sound: None,
            warnings: Vec::new(),
        }
    }

    fn chunk(segment: usize, stop: Stop) -> native::Result<Chunk> {
        Ok(Chunk {
            segment,
            samples: vec![0.25; 12_000],
            end: Some(SegmentInfo {
                tokens: vec![7; 40],
                kept: vec![7; 40],
                stop: Some(stop),
                seconds: StageSeconds::default(),
            }),
        })
    }

    #[test]
    fn what_was_said_before_an_error_is_kept_and_the_error_says_how_much() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let output = folder.path().join("speech.wav");
        std::fs::write(&output, "what was there")?;
        let speech = [
            chunk(0, Stop::StopToken(6562)),
            chunk(1, Stop::StopToken(6562)),
            Err(native::Error::input("the third has no tokens")),
        ];
        let mut progress = progress();
        let error = progress.deliver(speech, sink(&output)?);
        let said = native::error_chain(error.expect_err("a failure").as_ref());
        assert!(
            said.contains("1.00 s of speech (2 of 3 segments) was said and is kept in")
                && said.ends_with("the third has no tokens"),
            "{said}"
        );
        assert_eq!(std::fs::read(&output)?, b"what was there");
        let mut kept = std::fs::read_dir(folder.path())?
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| *path != output);
        let kept = kept.next().expect("a partial file");
        assert_eq!(Waveform::read(&kept)?.samples.len(), 24_000);
        Ok(())
    }

    #[test]
    fn an_error_before_any_speech_leaves_nothing() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let to = sink(&folder.path().join("speech.wav"))?;
        let error = progress().deliver([Err(native::Error::input("no tokens"))], to);
        assert_eq!(error.expect_err("a failure").to_string(), "no tokens");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn segments_that_did_not_end_by_themselves_are_warned_of() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let to = sink(&folder.path().join("speech.wav"))?;
        let stops = [
            Stop::StopToken(6562),
            Stop::MaxLength,
            Stop::OutOfPlace(6570),
        ];
        let mut progress = progress();
        progress.deliver((0..).zip(stops).map(|(i, stop)| chunk(i, stop)), to)?;
        assert_eq!(progress.warnings.len(), 2);
        assert!(progress.warnings[0].contains("segment 2 was cut off at 40 speech tokens"));
        assert!(
            progress.warnings[1].contains("segment 3") && progress.warnings[1].contains("6570")
        );
        Ok(())
    }
}
