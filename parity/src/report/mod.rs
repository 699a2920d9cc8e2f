//! Reports: `report.json`, and everything that is made from it alone.

mod annotations;
mod build;
mod folders;
mod folders_table;
mod format;
mod grid;
mod html;
mod json;
mod junit;
mod layers_table;
mod lengths;
mod merge;
mod plot;
mod schema;
mod sound;
mod sound_comparison;
mod sound_comparison_html;
mod terminal;
mod trend;
mod view;
mod write;

pub use annotations::{annotations, step_summary};
pub use build::build_report;
pub use folders::{FolderComparison, FolderError};
pub use folders_table::folders_table;
pub use format::{number, unit};
pub use grid::Grid;
pub use html::html;
pub use json::{
    CaseReport, Contour, MelPicture, MetricInfo, REPORT_VERSION, RecordingInfo, Report, Shard,
    Sound, StageInfo, TokenLists,
};
pub use junit::junit;
pub use layers_table::layers_table;
pub use lengths::{Length, LengthParity, SegmentLengths};
pub use merge::{MergeError, merge};
pub use schema::schema;
pub use sound_comparison::{Side, SoundComparison};
pub use sound_comparison_html::{comparison_html, folders_html};
pub use terminal::{Detail, comparison_table, table};
pub use trend::{Change, ChangeDirection, MeasureChange, Trend};
pub use write::{ReadError, WriteError, read, write};
