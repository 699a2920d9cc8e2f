#![doc = include_str!("../README.md")]

mod bf16;
mod cpu;
mod float32;
mod format;
mod int4;
mod int8;
mod limits;
mod linear;
mod panel;
mod rows;
mod source;
mod tasks;
mod team;
mod unpack;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use cpu::Cpu;
pub use format::Format;
pub use limits::Limits;
pub use linear::{Finish, PackedLinear};
pub use source::Source;

#[cfg(test)]
mod tests;
