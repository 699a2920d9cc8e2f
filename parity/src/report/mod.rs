//! Reports: `report.json`, and everything that is made from it alone.

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
mod sound;
mod terminal;
mod view;
mod write;

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
    CaseReport, MelPicture, MetricInfo, Party, REPORT_VERSION, Report, Sound, StageInfo,
};
pub use junit::junit;
pub use lengths::{Length, LengthParity, SegmentLengths};
pub use terminal::{comparison_table, table};
pub use write::{ReadError, WriteError, read, write};
