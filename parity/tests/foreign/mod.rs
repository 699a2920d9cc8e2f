//! Recordings by other programs: how they are read, what is said of them, and whether the mistake
//! of a port is named.

mod bugs;
#[cfg(unix)]
mod command;
mod deep;
mod overlong;
mod port;
mod writers;
