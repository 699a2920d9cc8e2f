use clap::{CommandFactory, Parser, Subcommand};
use git_version::git_version;

#[cfg(feature = "serve")]
use crate::serve;
use crate::{batch, interrupt, manual, speaker, synth, text};

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
    #[cfg(feature = "serve")]
    Serve(Box<serve::Args>),
    Speaker(speaker::Args),
    Synth(Box<synth::Args>),
    Text(text::Args),
}

/// Runs the command that the arguments name.
pub fn run() -> anyhow::Result<()> {
    let action = Command::parse().action;
    // A server finishes what it has begun.
    #[cfg(feature = "serve")]
    let finishes = matches!(action, Action::Serve(_));
    #[cfg(not(feature = "serve"))]
    let finishes = false;
    if !finishes {
        interrupt::watch()?;
    }
    match action {
        Action::Batch(args) => args.run(),
        Action::Completions(args) => {
            args.run(Command::command());
            Ok(())
        }
        Action::Man(args) => args.run(Command::command()),
        #[cfg(feature = "serve")]
        Action::Serve(args) => args.run(),
        Action::Speaker(args) => args.run(),
        Action::Synth(args) => args.run(),
        Action::Text(args) => args.run(),
    }
}
