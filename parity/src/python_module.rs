//! A module of Python, run as a child: the reference's side of what this program asks of it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::{last_lines, reading, said};

/// Lines of the interpreter's complaint that are repeated.
const LAST_LINES: usize = 3;

/// A module and its arguments.
pub(crate) struct PythonModule {
    /// The interpreter.
    pub(crate) interpreter: PathBuf,
    /// What is run; arguments are added to it.
    pub(crate) command: Command,
}

/// Why a module did not come to its end.
pub(crate) enum Failure {
    /// The interpreter could not be started.
    NotStarted(std::io::Error),
    /// It failed: its status, and the last it said.
    Failed(String),
}

impl PythonModule {
    /// A module that is found in the folder `package`. `env` is an environment's folder, or an
    /// interpreter.
    pub(crate) fn new(env: &Path, package: &Path, module: &str) -> Self {
        let of_folder = env.join("bin").join("python");
        let interpreter = match of_folder.exists() {
            true => of_folder,
            false => env.to_owned(),
        };
        let mut path = OsString::from(package);
        if let Some(before) = std::env::var_os("PYTHONPATH") {
            path.push(":");
            path.push(before);
        }
        let mut command = Command::new(&interpreter);
        command.args(["-m", module]).env("PYTHONPATH", path);
        Self {
            interpreter,
            command,
        }
    }

    /// Runs it to its end; `line` is told of each line that it prints.
    ///
    /// # Errors
    /// If what it prints cannot be read.
    pub(crate) fn run(
        &mut self,
        mut line: impl FnMut(&str),
    ) -> std::io::Result<Result<(), Failure>> {
        let started = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return Ok(Err(Failure::NotStarted(error))),
        };
        let errors = reading(child.stderr.take());
        let printed = child.stdout.take().into_iter();
        for printed in printed.flat_map(|out| BufReader::new(out).lines()) {
            line(&printed?);
        }
        let status = child.wait()?;
        if status.success() {
            return Ok(Ok(()));
        }
        let errors = said(errors);
        let last = last_lines(&errors, LAST_LINES).join("\n");
        Ok(Err(Failure::Failed(format!("failed ({status}): {last}"))))
    }
}
