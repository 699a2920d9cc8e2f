use serde_json::Value;

use super::plant::Sides;
use crate::diagnosis::Cause;
use crate::exit::Exit;
use crate::judge::Tolerances;
use crate::report::Report;
use crate::stage::Stage;

/// How a fault must be reported.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// No fault: everything is in parity.
    Parity,
    /// The stage is named as the first that introduced an error.
    Introduced(Stage),
    /// The stage is missing.
    Missing(Stage),
    /// The stage fails from end to end, and no stage is blamed.
    Inherited(Stage),
    /// The golden is stale.
    Stale,
    /// The golden is damaged.
    Damaged,
    /// The run ends with this status.
    Exit(Exit),
    /// The input is refused, with these words.
    Refused(&'static str),
    /// The test of the limits finds that they let gross faults through.
    LetThrough,
    /// The run fails, and this mistake is the first that is called likely.
    Cause(Cause),
}

/// Where a fault is planted.
#[derive(Clone, Copy)]
pub(super) enum Plant {
    /// In the recordings; false if the golden has no place for it.
    Recordings(fn(&mut Sides) -> bool),
    /// In the recording of a port, which has nothing but what it computed from end to end.
    Port(fn(&mut Sides) -> bool),
    /// In a file of a golden on disk. None deletes it.
    File(&'static str, fn(Vec<u8>) -> Option<Vec<u8>>),
    /// In the limits.
    Limits(fn(&mut Tolerances)),
    /// In the reports of two shards that are to be merged.
    Shards(fn(&mut Vec<Report>)),
    /// In the report.json of a run that failed.
    Json(fn(&mut Value)),
}

pub(super) struct Fault {
    pub(super) what: &'static str,
    pub(super) expected: Expected,
    pub(super) plant: Plant,
}

impl Fault {
    /// A fault in a value of both recordings, which the stage must be blamed for.
    pub(super) const fn introduced(
        stage: Stage,
        what: &'static str,
        plant: fn(&mut Sides) -> bool,
    ) -> Self {
        Self::recordings(Expected::Introduced(stage), what, plant)
    }

    /// A fault in recordings.
    pub(super) const fn recordings(
        expected: Expected,
        what: &'static str,
        plant: fn(&mut Sides) -> bool,
    ) -> Self {
        Self {
            what,
            expected,
            plant: Plant::Recordings(plant),
        }
    }

    /// The mistake of a port, in the cascaded recording.
    pub(super) const fn cause(
        cause: Cause,
        what: &'static str,
        plant: fn(&mut Sides) -> bool,
    ) -> Self {
        Self {
            what,
            expected: Expected::Cause(cause),
            plant: Plant::Port(plant),
        }
    }

    /// A fault in a file of a golden.
    pub(super) const fn file(
        file: &'static str,
        what: &'static str,
        change: fn(Vec<u8>) -> Option<Vec<u8>>,
    ) -> Self {
        Self {
            what,
            expected: Expected::Damaged,
            plant: Plant::File(file, change),
        }
    }

    /// A fault in the limits.
    pub(super) const fn limits(
        expected: Expected,
        what: &'static str,
        change: fn(&mut Tolerances),
    ) -> Self {
        Self {
            what,
            expected,
            plant: Plant::Limits(change),
        }
    }

    /// A fault in the reports of two shards.
    pub(super) const fn shards(
        expected: Expected,
        what: &'static str,
        change: fn(&mut Vec<Report>),
    ) -> Self {
        Self {
            what,
            expected,
            plant: Plant::Shards(change),
        }
    }

    /// A report.json that was edited.
    pub(super) const fn json(exit: Exit, what: &'static str, change: fn(&mut Value)) -> Self {
        Self {
            what,
            expected: Expected::Exit(exit),
            plant: Plant::Json(change),
        }
    }
}
