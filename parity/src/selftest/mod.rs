//! Plants known faults and checks that each is found, and by the right stage.
//!
//! `faults/` is the table, `fault` its columns, `plant` what faults are made of, `run` plants them
//! and holds what is found against what is expected, `judging` says what is found.

mod fault;
mod faults;
mod judging;
mod plant;
mod run;

pub use run::{Planted, run};
