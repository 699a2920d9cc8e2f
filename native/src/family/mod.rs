//! What one model family has and another does not: file names, classes, marks, step counts, and the
//! order in which the reference's constructors draw random numbers.
//!
//! A new family is a file here with a [`Family`] of its own, listed in [`Family::ALL`]. Networks
//! that differ in more than sizes are further modules beside the existing ones.

mod cosyvoice3;

use std::path::Path;

use crate::model_dir::ModelConfig;

/// A family of models with one layout, one set of classes and one set of conventions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Family {
    /// The name in messages, such as `CosyVoice 3`.
    pub name: &'static str,
    /// A published model of the family, to name in messages.
    pub example: &'static str,
    /// The files of a model directory.
    pub files: Files,
    /// Section of the yaml → the only Python class that the engine is a port of.
    pub(crate) classes: &'static [(&'static str, &'static str)],
    /// The ids that are not speech.
    pub marks: Marks,
    /// What ends the instruction before a text.
    pub end_of_prompt: EndOfPrompt,
    /// Speech tokens that sound as silence or breath.
    pub silent_tokens: &'static [u32],
    /// Euler steps of one synthesis.
    pub(crate) flow_steps: usize,
    /// How many numbers torch's generator has drawn when the vocoder's noise begins.
    pub(crate) draws_before_vocoder_noise: fn(&ModelConfig) -> u64,
    /// How many it has drawn when all constructors have run.
    pub(crate) draws_of_constructors: fn(&ModelConfig) -> u64,
}

/// The files of a model directory, by their paths in it. Of alternatives, the first one that exists
/// is taken.
#[derive(Debug)]
#[non_exhaustive]
pub struct Files {
    /// The configuration; a directory belongs to the family whose configuration it has.
    pub yaml: &'static str,
    /// The language model's weights as the reference loads them.
    pub llm: &'static [&'static str],
    /// The language model's weights after reinforcement learning.
    pub llm_rl: &'static [&'static str],
    /// The flow's weights.
    pub flow: &'static [&'static str],
    /// The vocoder's weights.
    pub vocoder: &'static [&'static str],
    /// The network behind the speaker embedding.
    pub speaker_encoder: &'static [&'static str],
    /// The speech tokenizer.
    pub speech_tokenizer: &'static [&'static str],
    /// The folder of the text tokenizer and of the language model body's configuration.
    pub text_tokenizer: &'static str,
    /// The saved speakers.
    pub saved_speakers: &'static str,
    /// The folder of the text normaliser's rules.
    pub text_rules: &'static str,
}

/// Ids of the speech vocabulary that are not speech, counted from the first id after the speech
/// tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// How many there are. All of them end a synthesis.
    pub count: usize,
    /// Begins a sequence. Also the one id that is masked before the minimum length.
    pub start_of_sequence: u32,
    /// Ends the speech.
    pub end_of_speech: u32,
    /// Separates text and speech.
    pub task: u32,
    /// Requests more text where text arrives in pieces.
    pub fill: u32,
}

/// The text token that ends the instruction before a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfPrompt {
    /// As it is written.
    pub token: &'static str,
    /// Its text id.
    pub id: u32,
}

impl Family {
    /// Every family that the engine supports.
    pub const ALL: &'static [&'static Self] = &[&cosyvoice3::FAMILY];

    /// The family of the model in `directory`, by its configuration file.
    pub(crate) fn of_directory(directory: &Path) -> Option<&'static Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|family| directory.join(family.files.yaml).is_file())
    }

    /// Every file that decides what is synthesised, by its path in a model directory. The language
    /// model body's own weights are not among them: the checkpoint replaces every one.
    pub fn deciding_files(&self) -> Vec<String> {
        let files = &self.files;
        let networks = [
            files.llm,
            files.llm_rl,
            files.flow,
            files.vocoder,
            files.speaker_encoder,
            files.speech_tokenizer,
        ];
        let tokenizer = [
            "config.json",
            "vocab.json",
            "merges.txt",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        std::iter::once(files.yaml.to_owned())
            .chain(networks.into_iter().flatten().map(|&name| name.to_owned()))
            .chain([files.saved_speakers.to_owned()])
            .chain(tokenizer.map(|name| format!("{}/{name}", files.text_tokenizer)))
            .collect()
    }
}

impl Default for Marks {
    fn default() -> Self {
        Family::ALL[0].marks
    }
}

impl Default for EndOfPrompt {
    fn default() -> Self {
        Family::ALL[0].end_of_prompt
    }
}
