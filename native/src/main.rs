//! The `native` command: CosyVoice3 speech without Python.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if cli::is_closed_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("native: {}", native::whole_story(e.as_ref()));
            ExitCode::FAILURE
        }
    }
}
