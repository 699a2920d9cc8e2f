//! The `native` command: CosyVoice3 speech without Python.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod batch;
mod command;
mod interrupt;
mod manual;
mod mode;
mod options;
mod progress;
#[cfg(feature = "serve")]
mod serve;
mod sink;
mod speaker;
mod subtitles;
mod synth;
mod text;
mod text_source;
mod timing;

use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("native: {}", native::error_chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Whether the reader of the output went away, as `head` does, which is not an error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
