//! flow

mod config;

pub use config::{DitConfig, FlowConfig};
