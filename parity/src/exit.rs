//! Exit statuses.

use std::process::{ExitCode, Termination};

/// Exit status of every `parity` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything compared is within its limits.
    Parity,
    /// Wrong usage, or an input that cannot be read.
    Usage,
    /// Something exceeds its limits, or is missing.
    Failed,
    /// The golden is missing or stale, or a recording is damaged.
    Golden,
    /// Nothing was compared.
    NothingCompared,
    /// A part of the run is missing, such as a shard. It has the status of
    /// [`Self::NothingCompared`], of which it is the milder form, and a verdict of its own.
    Incomplete,
    /// A bug in this program.
    Bug,
}

impl Exit {
    /// The status.
    pub fn code(self) -> u8 {
        match self {
            Self::Parity => 0,
            Self::Usage => 1,
            Self::Failed => 2,
            Self::Golden => 3,
            Self::NothingCompared | Self::Incomplete => 4,
            Self::Bug => 70,
        }
    }

    /// The meaning, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Parity => "parity",
            Self::Usage => "wrong usage or unreadable input",
            Self::Failed => "parity failed",
            Self::Golden => "golden missing, stale or damaged",
            Self::NothingCompared => "nothing was compared",
            Self::Incomplete => "incomplete: a part of the run is missing",
            Self::Bug => "a bug",
        }
    }

    /// The status of several parts of a run: the most certain of their faults. Parity needs all.
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| match exit {
            Self::Parity => 0,
            Self::NothingCompared => 1,
            Self::Incomplete => 2,
            Self::Golden => 3,
            Self::Failed => 4,
            Self::Usage => 5,
            Self::Bug => 6,
        };
        let worst = parts.into_iter().max_by_key(rank);
        worst.unwrap_or(Self::NothingCompared)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
