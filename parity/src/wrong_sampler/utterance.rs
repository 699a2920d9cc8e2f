use native::audio::Waveform;
use native::engine::{Engine, Mode, Script, Text, TextSegment};
use native::voice::VoicePrompt;

use super::mistake::{Mistake, Sampled, sample};

/// The first segment of a zero-shot text, ready to be sampled rightly or with a mistake.
pub struct Utterance<'e> {
    engine: &'e Engine,
    mode: Mode,
    script: Script,
    voice: VoicePrompt,
}

impl<'e> Utterance<'e> {
    /// Normalises and splits `text`, to be said in the voice of `prompt`, in which `transcript` is
    /// heard.
    ///
    /// # Errors
    /// If the text or the prompt cannot be used.
    pub fn new(
        engine: &'e Engine,
        text: String,
        transcript: String,
        prompt: &Waveform,
    ) -> native::Result<Self> {
        let mode = Mode::ZeroShot {
            prompt_text: transcript,
        };
        Ok(Self {
            script: engine.script_of(&mode, &Text::Whole(text), None)?,
            voice: engine.voice(prompt)?.aligned()?,
            engine,
            mode,
        })
    }

    /// How many segments the text has; all but the first are left out.
    pub fn segments(&self) -> usize {
        self.script.segments.len()
    }

    /// The normalised text of the segment.
    pub fn text(&self) -> &str {
        self.first().map_or("", |segment| &segment.text)
    }

    /// Samples its speech tokens, with a mistake or as the reference does.
    ///
    /// # Errors
    /// If the text has no segment, or the language model cannot continue the prompt.
    pub fn sample(&self, mistake: Option<Mistake>, seed: u64) -> native::Result<Sampled> {
        let Some(segment) = self.first() else {
            return Err(native::Error::input("a text without a segment"));
        };
        let engine = self.engine;
        let prompt = engine.lm_prompt(&self.mode, &self.script, segment, &self.voice);
        sample(engine.llm(), &prompt, mistake, seed)
    }

    /// The sound of sampled tokens, \[samples\] at 24 kHz; empty if nothing but silence is left of
    /// them.
    ///
    /// # Errors
    /// If the flow or the vocoder fails.
    pub fn sound(&self, tokens: &[u32]) -> native::Result<Vec<f32>> {
        let kept = self.engine.llm().config().drop_long_silences(tokens);
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        self.engine.sound_of_tokens(&self.voice, &kept)
    }

    fn first(&self) -> Option<&TextSegment> {
        self.script.segments.first()
    }
}
