use std::time::Duration;

use super::{Mode, Script, Text};
use crate::family::EndOfPrompt;
use crate::model_dir::SavedSpeaker;
use crate::text::{TextFrontend, has_breaks, has_words, passages};
use crate::{Error, Result};

/// A [`Script`] with the silence around its segments, which no model sees: whoever says the script
/// puts it between the sounds of the segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PausedScript {
    /// What is said.
    pub script: Script,
    /// The silence before the first segment.
    pub before: Duration,
    /// The silence after each segment.
    pub after: Vec<Duration>,
}

impl PausedScript {
    /// The text stage of a text that may ask for pauses, written as in SSML:
    /// `One. <break time="0.5s"/> Two.`
    ///
    /// A break ends a segment. The text before and the text after it are normalised and split each
    /// on its own, exactly as if they were texts of their own. If the text begins with an instruction
    /// that ends in the end-of-prompt token `end`, every one of them is said with that instruction.
    /// Other segments are followed by the silence `between`, but for the last one. Breaks that follow
    /// each other add up.
    ///
    /// # Errors
    /// If a break is not written like that, lies in the instruction or in a text in pieces, or as
    /// for [`Script::new`].
    pub fn new(
        frontend: &TextFrontend,
        mode: &Mode,
        text: &Text,
        speaker: Option<&SavedSpeaker>,
        end: &EndOfPrompt,
        between: Duration,
    ) -> Result<Self> {
        let whole = match text {
            Text::Whole(text) if !matches!(mode, Mode::VoiceConversion { .. }) => text,
            Text::Pieces(pieces) if has_breaks(&pieces.concat()) => {
                return Err(Error::input(
                    "a text in pieces cannot have pauses: it is one segment",
                ));
            }
            _ => "",
        };
        if !has_breaks(whole) {
            let script = Script::new(frontend, mode, text, speaker)?;
            // Voice conversion has one segment, and no text.
            let after = silences(script.segments.len().max(1), between);
            return Ok(Self {
                script,
                before: Duration::ZERO,
                after,
            });
        }
        let (instruction, spoken) = match whole.rfind(end.token) {
            Some(at) => whole.split_at(at + end.token.len()),
            None => ("", whole),
        };
        if has_breaks(instruction) {
            return Err(Error::input(format!(
                "a pause must come after {}: nothing before it is said",
                end.token
            )));
        }
        let mut paused = Self::default();
        for passage in passages(spoken)? {
            if has_words(&passage.text) {
                let text = Text::Whole(format!("{instruction}{}", passage.text));
                paused.add(Script::new(frontend, mode, &text, speaker)?, between);
            }
            let pause = passage.pause.unwrap_or_default();
            match paused.after.last_mut() {
                Some(after) => *after += pause,
                None => paused.before += pause,
            }
        }
        if paused.script.segments.is_empty() {
            return Err(Error::input(
                "the text has nothing to say: it is only pauses and punctuation",
            ));
        }
        Ok(paused)
    }

    /// Adds a passage. What it has in common with the others is the prompt, and what was said of it.
    fn add(&mut self, script: Script, between: Duration) {
        self.after.extend(silences(script.segments.len(), between));
        if self.script.segments.is_empty() {
            self.script = script;
            return;
        }
        self.script.segments.extend(script.segments);
        for warning in script.warnings {
            if !self.script.warnings.contains(&warning) {
                self.script.warnings.push(warning);
            }
        }
    }
}

/// The silence after each of `segments`: `between` them, and none after the last.
fn silences(segments: usize, between: Duration) -> Vec<Duration> {
    let mut after = vec![between; segments];
    if let Some(last) = after.last_mut() {
        *last = Duration::ZERO;
    }
    after
}
