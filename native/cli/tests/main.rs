//! The `native` command as the shell sees it.

mod batch;
mod files;
mod interrupted;
mod not_finite;
mod refusals;
mod same_bytes;
mod saved_speakers;
mod text_command;
mod tool;
