//! The command line: raw flags, resolved to what the library works with.

mod command;
mod compare;
mod diff;
mod fixture;
mod judge;
#[cfg(feature = "record")]
mod record_python;
mod render;
mod selftest;
mod shared;

pub use command::run;
