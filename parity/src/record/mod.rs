//! Making recordings.

mod model;
#[cfg(feature = "record")]
pub mod python;

pub use model::describe_model;
