//! Making recordings: running an engine over cases.

mod cascaded;
mod isolated;
mod model;
mod native;
mod values;

pub use model::model_files;
pub use native::{Error, NativeRecorder};
