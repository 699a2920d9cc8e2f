//! `native batch`: many requests, one after the other.

mod request;
mod results;
mod run;
mod say;

pub use run::Args;
