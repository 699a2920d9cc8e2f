//! Plants known faults in a recording and checks that each is caught by the stage that should.

mod faults;
mod plant;
mod run;

pub use run::{Planted, run};
