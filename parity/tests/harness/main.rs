//! The harness from outside: recordings on disk, verdicts, reports and the command.

mod command;
mod comparing;
mod judging;
mod made_up;
mod planted_faults;
mod public_figures;
mod recording_on_disk;
mod reporting;
