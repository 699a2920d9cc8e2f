//! An engine in a process of its own: it is told a case a line, and answers a line each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Work;
use crate::record::Timing;

/// What an engine's process says, as JSON, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// The engine is ready.
    Loaded {
        /// Seconds that loading took.
        seconds: f64,
        /// What limits it.
        work: Option<Work>,
    },
    /// A case was said.
    Timed(Box<Timing>),
    /// There are no more cases.
    Ended {
        /// The most bytes of memory that the process had.
        peak_memory: Option<u64>,
    },
    /// Something failed, and the process ends.
    Failed(String),
}

/// The other side of an engine's process.
pub struct Worker {
    /// The engine's name.
    pub name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts the process. What it says on standard error is the user's to read.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self, String> {
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start the process of {name}: {e}"))?;
        let mut child = spawned;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or("the process has no standard output")?;
        Ok(Self {
            name: name.to_owned(),
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// The next line that the process says.
    ///
    /// # Errors
    /// If it failed, ended, or said something else than a line of this protocol.
    pub fn hear(&mut self) -> Result<Said, String> {
        let name = &self.name;
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        match read.map_err(|e| format!("{name}: {e}"))? {
            0 => Err(format!(
                "the process of {name} ended early; standard error says why"
            )),
            _ => match serde_json::from_str(&line) {
                Ok(Said::Failed(reason)) => Err(format!("{name}: {reason}")),
                Ok(said) => Ok(said),
                Err(e) => Err(format!("the process of {name} said {line:?}: {e}")),
            },
        }
    }

    /// Has a case said, and returns how long it took.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn time(&mut self, case: &str) -> Result<Timing, String> {
        if let Some(input) = &mut self.input {
            let told = writeln!(input, "{case}").and_then(|()| input.flush());
            told.map_err(|e| format!("the process of {} does not listen: {e}", self.name))?;
        }
        match self.hear()? {
            Said::Timed(timing) => Ok(*timing),
            other => Err(format!("the process of {} said {other:?}", self.name)),
        }
    }

    /// Ends the process, and returns the most memory that it had.
    ///
    /// # Errors
    /// If it fails.
    pub fn end(mut self) -> Result<Option<u64>, String> {
        self.input = None;
        let said = self.hear()?;
        // It has said its last line; how it ends does not matter any more.
        let _ = self.child.wait();
        match said {
            Said::Ended { peak_memory } => Ok(peak_memory),
            other => Err(format!("the process of {} said {other:?}", self.name)),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves one engine on standard input and output: `time` says the case of a name.
///
/// # Errors
/// If an answer cannot be written.
pub fn serve(
    loaded: Said,
    mut time: impl FnMut(&str) -> Result<Timing, String>,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut say = |said: &Said| {
        writeln!(out, "{}", serde_json::to_string(said)?)?;
        out.flush()
    };
    say(&loaded)?;
    for case in std::io::stdin().lock().lines() {
        match time(&case?) {
            Ok(timing) => say(&Said::Timed(Box::new(timing)))?,
            Err(reason) => return say(&Said::Failed(reason)),
        }
    }
    say(&Said::Ended {
        peak_memory: peak_memory(),
    })
}

/// The most bytes of memory that this process had, on Linux.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
