use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use native::audio::Waveform;
use native::engine::{Mode, ModeName};
use serde::Deserialize;

use crate::options::named;

/// What a mode takes beside the text and the voice, on a command line or in a list of requests.
#[derive(Args, Deserialize)]
pub struct ModeOptions {
    /// How text and voice are combined
    #[arg(long, default_value = "zero-shot", value_parser = named::<ModeName>(ModeName::ALL.map(ModeName::name)))]
    pub mode: ModeName,
    /// What is said in the recording (zero-shot)
    #[arg(long)]
    pub prompt_text: Option<String>,
    /// How to speak (instruct)
    #[arg(long)]
    pub instruct: Option<String>,
    /// Recording whose words are kept (vc)
    #[arg(long, value_name = "WAV")]
    pub source_wav: Option<PathBuf>,
}

impl ModeOptions {
    /// The mode with what it takes. A saved speaker brings its own transcript.
    pub fn mode(&self, saved_speaker: bool) -> anyhow::Result<Mode> {
        let needs = |flag: &str, what: &str| {
            let field = flag.trim_start_matches('-').replace('-', "_");
            let mode = self.mode;
            format!("{mode} needs {flag} (in a list of requests, \"{field}\"): {what}")
        };
        Ok(match self.mode {
            ModeName::ZeroShot if saved_speaker => Mode::ZeroShot {
                prompt_text: String::new(),
            },
            ModeName::ZeroShot => Mode::ZeroShot {
                prompt_text: self.prompt_text.clone().with_context(|| {
                    needs(
                        "--prompt-text",
                        "the transcript of the recording, after a prompt that ends in <|endofprompt|>",
                    )
                })?,
            },
            ModeName::CrossLingual => Mode::CrossLingual,
            ModeName::Instruct => Mode::Instruct {
                instruct: self
                    .instruct
                    .clone()
                    .with_context(|| needs("--instruct", "how to speak"))?,
            },
            ModeName::Vc => {
                let source = self.source_wav.as_deref();
                Mode::VoiceConversion {
                    source: Waveform::read(source.with_context(|| {
                        needs("--source-wav", "the recording whose words are kept")
                    })?)?,
                }
            }
        })
    }
}
