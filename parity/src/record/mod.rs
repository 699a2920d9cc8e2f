//! Making recordings: running an engine over cases.

mod cascaded;
pub mod command;
mod error;
mod forced;
mod golden_inputs;
mod inputs;
mod isolated;
mod layers;
mod model;
mod native;
mod parting;
#[cfg(feature = "record")]
pub mod python;
mod session;
mod timing;
mod values;

pub use error::Error;
pub use layers::LayerTensors;
pub use model::describe_model;
pub use native::{NativeRecorder, time};
pub use parting::{GoldenWithPartings, Parting};
pub use session::{Session, kept_or, run_native};
pub use timing::Timing;
pub(crate) use values::token_bounds;
