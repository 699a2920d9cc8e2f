use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use parity::exit::Exit;

use super::shared::say;

/// Print completions for a shell, to be read by its start-up file.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  parity completions bash > ~/.local/share/bash-completion/completions/parity"
)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual pages, one for each command.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  parity man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder to write them into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs `parity completions`.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "parity", &mut text);
    say(&String::from_utf8(text)?)?;
    Ok(Exit::Parity)
}

/// Runs `parity man`.
pub fn man(args: &ManArgs, command: Command) -> anyhow::Result<Exit> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    clap_mangen::generate_to(command, folder).with_context(|| folder.display().to_string())?;
    Ok(Exit::Parity)
}
