use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use native::engine::{ModeName, Text};

/// What is said.
#[derive(Args)]
pub struct TextSource {
    /// The text to say; - reads standard input. <break time="0.5s"/> in it is a pause: see --pause
    #[arg(long, required_unless_present_any = ["source_wav", "text_file"])]
    text: Option<String>,
    /// A file with the text to say; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    text_file: Option<PathBuf>,
    /// Treat every line of the text as a piece that arrives while it is spoken (bistream): pieces are
    /// neither normalised nor split, and joined without a space
    #[arg(long, conflicts_with = "source_wav")]
    pieces: bool,
    /// Seconds of silence between the segments of the text. A segment may ask for a pause of its own
    /// after it, as in SSML: One. <break time="0.5s"/> Two. There the text is cut: both sides are said
    /// exactly as texts of their own, and the model never sees the break
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pause: Duration,
}

/// The most that --pause may be.
const LONGEST_PAUSE: f64 = 60.0;

/// Parses seconds of silence.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|s| (0.0..=LONGEST_PAUSE).contains(s));
    let seconds = seconds.map(Duration::from_secs_f64);
    seconds.ok_or_else(|| format!("a pause is a number of seconds from 0 to {LONGEST_PAUSE}"))
}

impl TextSource {
    /// The silence between segments.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// Reads the text.
    pub fn read(&self, mode: ModeName) -> anyhow::Result<Text> {
        let text = match (self.text.as_deref(), self.text_file.as_deref()) {
            (None, None) if mode == ModeName::Vc => String::new(),
            _ if mode == ModeName::Vc => {
                bail!("vc has no use for a text: it keeps the words of --source-wav")
            }
            (Some("-"), _) => from_stdin()?,
            (Some(text), _) => text.to_owned(),
            (None, Some(path)) => from_file(path)?,
            (None, None) => bail!("--text or --text-file is missing"),
        };
        if !self.pieces {
            return Ok(Text::Whole(text));
        }
        if self.pause > Duration::ZERO {
            bail!("a text in --pieces is one segment: --pause has no place in it");
        }
        Ok(Text::Pieces(text.lines().map(str::to_owned).collect()))
    }
}

fn from_stdin() -> anyhow::Result<String> {
    std::io::read_to_string(std::io::stdin()).context("standard input")
}

/// A file's text, without the mark that some editors begin it with, and the last line's end.
fn from_file(path: &Path) -> anyhow::Result<String> {
    let text = match path.as_os_str() == "-" {
        true => from_stdin()?,
        false => {
            let text = std::fs::read_to_string(path);
            text.with_context(|| format!("{}: cannot read a text from it", path.display()))?
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        bail!("{}: there is no text in it", path.display());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_mark_and_its_last_line_end() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("text.txt");
        std::fs::write(&path, "\u{feff}One.\nTwo.\r\n\n")?;
        assert_eq!(from_file(&path)?, "One.\nTwo.");
        std::fs::write(&path, " \n")?;
        let error = from_file(&path).expect_err("no text").to_string();
        assert!(error.contains("text.txt: there is no text"), "{error}");
        std::fs::write(&path, b"\xff\xfe")?;
        let error = native::error_chain(from_file(&path).expect_err("no text").as_ref());
        assert!(
            error.contains("text.txt") && error.contains("UTF-8"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn a_pause_is_a_number_of_seconds() {
        assert_eq!(seconds("0.4"), Ok(Duration::from_millis(400)));
        for wrong in ["-1", "61", "nan", "inf", "0,4", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
