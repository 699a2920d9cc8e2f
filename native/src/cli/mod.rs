mod options;
mod sink;
mod speaker;
mod synth;
mod text;

use clap::{Parser, Subcommand};

/// CosyVoice3 text-to-speech: text and a voice prompt in, 24 kHz speech out.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Speaker(speaker::Args),
    Synth(synth::Args),
    Text(text::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Speaker(args) => args.run(),
            Action::Synth(args) => args.run(),
            Action::Text(args) => args.run(),
        }
    }
}

/// Whether the reader of our output went away, as `head` does: no error of ours.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
