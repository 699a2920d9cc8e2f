//! Plants known faults in a recording and checks that the right stage reports each of them.

mod faults;
mod plant;
mod run;

pub use run::{Planted, run};
