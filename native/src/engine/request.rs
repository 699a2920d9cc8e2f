use crate::audio::Waveform;

/// How text and voice reach the model; the reference's `inference_*` methods.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The voice prompt's own words are known and continue into the text.
    ZeroShot {
        /// What is said in the voice prompt, after the system prompt and `<|endofprompt|>`.
        prompt_text: String,
    },
    /// Only the voice is taken; the text carries its own `<|endofprompt|>` prefix.
    CrossLingual,
    /// An instruction on how to speak, ending in `<|endofprompt|>`; taken as it is.
    Instruct {
        /// The instruction.
        instruct: String,
    },
    /// The words of another recording, in the prompt's voice. Has no text.
    VoiceConversion {
        /// The recording whose words are kept.
        source: Waveform,
    },
}

/// One thing to say.
#[derive(Clone, Debug)]
pub struct Request {
    /// The text; ignored in voice conversion.
    pub text: String,
    /// How text and voice are combined.
    pub mode: Mode,
    /// Playback speed; 1 is natural, 2 is twice as fast.
    pub speed: f64,
}

/// What the text frontend made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The normalised prompt or instruction text; empty where the mode has none.
    pub prompt_text: String,
    /// Its token ids.
    pub prompt_ids: Vec<u32>,
    /// The text's segments, synthesised one after the other.
    pub segments: Vec<ScriptSegment>,
    /// What the frontend wants the user to know.
    pub warnings: Vec<String>,
}

/// One segment of a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSegment {
    /// The normalised text.
    pub text: String,
    /// Its token ids.
    pub ids: Vec<u32>,
}
