//! The harness from outside: recordings on disk, verdicts, reports and the command.

mod judging;
mod made_up;
mod recording_on_disk;
