//! Exit statuses.

use std::process::{ExitCode, Termination};

/// Exit status of every `parity` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything compared is within its limits.
    Parity = 0,
    /// Wrong usage, or an input that cannot be read.
    Usage = 1,
    /// Something exceeds its limits, or is missing.
    Failed = 2,
    /// The golden is missing or stale, or a recording is damaged.
    Golden = 3,
    /// Nothing was compared.
    NothingCompared = 4,
    /// A bug in this program.
    Bug = 70,
}

impl Exit {
    /// The status.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Parity => "parity",
            Self::Usage => "wrong usage or unreadable input",
            Self::Failed => "parity failed",
            Self::Golden => "golden missing, stale or damaged",
            Self::NothingCompared => "nothing was compared",
            Self::Bug => "a bug",
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
