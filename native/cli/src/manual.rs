use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print completions for a shell, to be read by its start-up file.
#[derive(Args)]
#[command(
    after_help = "Example:\n  native completions bash > ~/.local/share/bash-completion/completions/native"
)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual pages, one for each command.
#[derive(Args)]
#[command(after_help = "Example:\n  native man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder to write them into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl CompletionsArgs {
    pub fn run(self, mut command: Command) {
        clap_complete::generate(self.shell, &mut command, "native", &mut std::io::stdout());
    }
}

impl ManArgs {
    pub fn run(self, command: Command) -> anyhow::Result<()> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        clap_mangen::generate_to(command, folder).with_context(|| folder.display().to_string())
    }
}
