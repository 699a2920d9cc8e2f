//! Making recordings: running an engine over cases.

mod cascaded;
mod inputs;
mod isolated;
mod layers;
mod model;
mod native;
#[cfg(feature = "record")]
pub mod python;
mod session;
mod timing;
mod values;

pub use layers::LayerTensors;
pub use model::describe_model;
pub use native::{Error, NativeRecorder};
pub use session::{Session, run_native};
pub use timing::Timing;
