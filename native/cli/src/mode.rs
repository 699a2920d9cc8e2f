use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use native::audio::Waveform;
use native::engine::{Mode, ModeName};

use crate::options::named;

/// What a mode takes beside the text and the voice, on a command line or in a list of requests.
#[derive(Args)]
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
        self.refuse_unused()?;
        let needs = |flag: &str, what: &str| {
            let field = field(flag);
            let mode = self.mode;
            format!("{mode} needs {flag} (in a list of requests, \"{field}\"): {what}")
        };
        Ok(match self.mode {
            ModeName::ZeroShot => Mode::ZeroShot {
                prompt_text: match &self.prompt_text {
                    None if saved_speaker => String::new(),
                    text => text.clone().with_context(|| {
                        needs(
                            "--prompt-text",
                            "the transcript of the recording, after a prompt that ends in <|endofprompt|>",
                        )
                    })?,
                },
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

    /// What a mode does not take would change nothing, which whoever gave it cannot have meant.
    fn refuse_unused(&self) -> anyhow::Result<()> {
        let given = [
            (
                "--prompt-text",
                ModeName::ZeroShot,
                self.prompt_text.is_some(),
            ),
            ("--instruct", ModeName::Instruct, self.instruct.is_some()),
            ("--source-wav", ModeName::Vc, self.source_wav.is_some()),
        ];
        for (flag, takes, given) in given {
            if given && takes != self.mode {
                bail!(
                    "{} has no use for {flag} (in a list of requests, \"{}\"): leave it out, or use \
                     the mode {takes}",
                    self.mode,
                    field(flag)
                );
            }
        }
        Ok(())
    }
}

/// A flag's name in a list of requests.
fn field(flag: &str) -> String {
    flag.trim_start_matches('-').replace('-', "_")
}
