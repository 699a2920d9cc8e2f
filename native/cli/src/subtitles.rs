use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use native::engine::{ModeName, Script};
use native::new_file::NewFile;

use crate::interrupt;
use crate::timing::{Span, Timing};

/// Files with the text of each segment and when it is heard.
#[derive(Args, Clone, Debug, Default)]
pub struct SubtitleFiles {
    /// Write subtitles too, one for each segment, as SubRip
    #[arg(long, value_name = "FILE")]
    pub srt: Option<PathBuf>,
    /// Write subtitles too, one for each segment, as WebVTT
    #[arg(long, value_name = "FILE")]
    pub vtt: Option<PathBuf>,
}

impl SubtitleFiles {
    /// Refuses what could not be written when all is said.
    pub fn check(&self, mode: ModeName) -> anyhow::Result<()> {
        for path in [&self.srt, &self.vtt].into_iter().flatten() {
            if mode == ModeName::Vc {
                bail!("{}: vc has no text for subtitles", path.display());
            }
            drop(NewFile::create(path)?);
        }
        Ok(())
    }

    /// Writes them.
    pub fn write(&self, script: &Script, timing: &Timing) -> anyhow::Result<()> {
        let cues = cues(script, timing.spans());
        for (path, text) in [(&self.srt, srt(&cues)), (&self.vtt, vtt(&cues))] {
            if let Some(path) = path {
                write(path, &text)?;
            }
        }
        Ok(())
    }
}

/// Writes a file that appears whole or not at all.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = NewFile::create(path)?;
    let _whole = interrupt::hold();
    let written = file.file().write_all(text.as_bytes());
    written.map_err(native::Error::io(path))?;
    Ok(file.finish()?)
}

/// A line of text, and when it is heard.
struct Cue {
    span: Span,
    text: String,
}

/// What is heard of each segment: its text as it was normalised, without marks for the model.
fn cues(script: &Script, spans: &[Span]) -> Vec<Cue> {
    let cues = script.segments.iter().zip(spans);
    cues.map(|(segment, &span)| Cue {
        span,
        text: spoken(&segment.text),
    })
    .collect()
}

/// A text in one line, without an instruction before it and marks in it, such as `<|en|>`.
fn spoken(text: &str) -> String {
    const END: &str = "<|endofprompt|>";
    let mut text = match text.rfind(END) {
        Some(at) => &text[at + END.len()..],
        None => text,
    };
    let mut out = String::new();
    while let Some((before, rest)) = text.split_once("<|") {
        out.push_str(before);
        text = match rest.split_once("|>") {
            Some((_, after)) => after,
            None => rest,
        };
    }
    out.push_str(text);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cues as SubRip, whose lines end in CR LF where it comes from, and in LF nearly everywhere.
fn srt(cues: &[Cue]) -> String {
    let mut out = String::new();
    for (cue, number) in cues.iter().zip(1..) {
        let (start, end) = (clock(cue.span.start, ','), clock(cue.span.end, ','));
        // Writing to a string cannot fail.
        let _ = write!(out, "{number}\n{start} --> {end}\n{}\n\n", cue.text);
    }
    out
}

/// The cues as WebVTT, in which `<` and `&` are markup.
fn vtt(cues: &[Cue]) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for cue in cues {
        let (start, end) = (clock(cue.span.start, '.'), clock(cue.span.end, '.'));
        let text = cue.text.replace('&', "&amp;").replace('<', "&lt;");
        let text = text.replace('>', "&gt;");
        let _ = write!(out, "{start} --> {end}\n{text}\n\n");
    }
    out
}

/// Seconds as `01:02:03,456`, with `point` before the milliseconds.
fn clock(seconds: f64, point: char) -> String {
    let total = (seconds * 1000.0).round() as u64;
    let (hours, minutes) = (total / 3_600_000, total / 60_000 % 60);
    let (seconds, millis) = (total / 1000 % 60, total % 1000);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{millis:03}")
}

#[cfg(test)]
mod tests {
    use native::engine::TextSegment;

    use super::*;

    fn example() -> Vec<Cue> {
        let segment = |text: &str| TextSegment {
            text: text.into(),
            ids: Vec::new(),
        };
        let script = Script {
            segments: vec![
                segment("Be kind.<|endofprompt|><|en|>It costs five dollars."),
                segment("R&D is <b>bold</b>,\nas ever."),
            ],
            ..Script::default()
        };
        let span = |start, end| Span { start, end };
        cues(&script, &[span(0.0, 1.2345), span(3723.5, 3724.0)])
    }

    #[test]
    fn subrip_has_numbers_commas_and_plain_text() {
        assert_eq!(
            srt(&example()),
            "1\n00:00:00,000 --> 00:00:01,235\nIt costs five dollars.\n\n\
             2\n01:02:03,500 --> 01:02:04,000\nR&D is <b>bold</b>, as ever.\n\n"
        );
    }

    #[test]
    fn webvtt_has_a_header_points_and_escaped_text() {
        assert_eq!(
            vtt(&example()),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.235\nIt costs five dollars.\n\n\
             01:02:03.500 --> 01:02:04.000\nR&amp;D is &lt;b&gt;bold&lt;/b&gt;, as ever.\n\n"
        );
    }
}
