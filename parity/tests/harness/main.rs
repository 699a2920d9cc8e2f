//! The harness from outside: recordings on disk, verdicts, reports and the command.

mod annotations;
#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod chromium;
mod command;
mod comparing;
mod judging;
mod made_up;
mod planted_faults;
mod public_figures;
mod recording_on_disk;
mod reporting;
mod shards_and_trends;
mod style;
