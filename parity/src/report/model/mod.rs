//! The form of `report.json`.

mod definitions;
mod evidence;
mod grid;
mod history;
mod lengths;
mod limits;
mod recording_info;
mod report;
mod trend;

pub use crate::shard::Shard;
pub use definitions::{MetricInfo, StageInfo};
pub use evidence::{AlignedMel, Contour, MelPicture, Sound, TensorFile, TokenLists};
pub use grid::Grid;
pub use history::{PastRun, PastStage};
pub use lengths::{Length, LengthParity, SegmentLengths};
pub use limits::LimitsInfo;
pub use recording_info::RecordingInfo;
pub use report::{CaseReport, OLDEST_REPORT_VERSION, REPORT_VERSION, Report};
pub use trend::{Change, ChangeDirection, MeasureChange, Trend};
