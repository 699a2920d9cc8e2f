use clap::{CommandFactory, Parser, Subcommand};
use git_version::git_version;

use crate::{batch, manual, speaker, synth, text};

/// With the commit that it was built from.
pub const VERSION: &str = git_version!(
    prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
    suffix = ")",
    args = ["--always", "--dirty", "--abbrev=8"],
    fallback = "no commit"
);

/// CosyVoice3 text-to-speech: text and a voice prompt in, 24 kHz speech out.
#[derive(Parser)]
#[command(name = "native", version = VERSION, about, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Batch(Box<batch::Args>),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
    Speaker(speaker::Args),
    Synth(Box<synth::Args>),
    Text(text::Args),
}

/// Runs the command that the arguments name.
pub fn run() -> anyhow::Result<()> {
    match Command::parse().action {
        Action::Batch(args) => args.run(),
        Action::Completions(args) => {
            args.run(Command::command());
            Ok(())
        }
        Action::Man(args) => args.run(Command::command()),
        Action::Speaker(args) => args.run(),
        Action::Synth(args) => args.run(),
        Action::Text(args) => args.run(),
    }
}
