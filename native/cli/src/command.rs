use clap::{Parser, Subcommand};

use crate::{batch, speaker, synth, text};

/// CosyVoice3 text-to-speech: text and a voice prompt in, 24 kHz speech out.
#[derive(Parser)]
#[command(name = "native", version, about, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Batch(batch::Args),
    Speaker(speaker::Args),
    Synth(Box<synth::Args>),
    Text(text::Args),
}

/// Runs the command that the arguments name.
pub fn run() -> anyhow::Result<()> {
    match Command::parse().action {
        Action::Batch(args) => args.run(),
        Action::Speaker(args) => args.run(),
        Action::Synth(args) => args.run(),
        Action::Text(args) => args.run(),
    }
}
