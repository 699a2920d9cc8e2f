//! Reports: `report.json`, and everything that is made from it alone.

mod annotations;
mod build;
mod compare;
mod compare_html;
mod deep_table;
mod folders;
mod folders_table;
mod format;
mod grid;
mod html;
mod json;
mod junit;
mod lengths;
mod merge;
mod plot;
mod schema;
mod sound;
mod terminal;
mod trend;
mod view;
mod write;

pub use annotations::{annotations, step_summary};
pub use build::report_from;
pub use compare::{Comparison, Side};
pub use compare_html::{comparison_html, folders_html};
pub use deep_table::deep_table;
pub use folders::{FolderComparison, FolderError};
pub use folders_table::folders_table;
pub use format::{number, unit};
pub use grid::Grid;
pub use html::html;
pub use json::{
    CaseReport, Contour, MelPicture, MetricInfo, Party, REPORT_VERSION, Report, Shard, Sound,
    StageInfo, TokenLists,
};
pub use junit::junit;
pub use lengths::{Length, LengthParity, SegmentLengths};
pub use merge::{MergeError, merge};
pub use schema::schema;
pub use terminal::{Detail, comparison_table, table};
pub use trend::{Change, Course, Moved, Trend};
pub use write::{ReadError, WriteError, read, write};
