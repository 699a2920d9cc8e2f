//! The command line: raw flags, resolved to what the library works with.

mod bench;
mod check;
mod choice;
mod command;
mod compare;
mod diff;
mod doctor;
mod engine;
mod explain;
mod fixture;
mod interrupt;
mod judge;
mod manual;
mod merge;
mod python_package;
mod record;
mod record_command;
#[cfg(feature = "record")]
mod record_python;
mod render;
mod report;
mod sample;
mod scoreboard;
mod selftest;
mod share;
mod shared;
mod text;
mod trace;

pub use command::run;
