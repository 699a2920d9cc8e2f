//! Reports: `report.json`, and everything that is made from it alone.

mod build;
mod compare;
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
pub use format::{number, unit};
pub use grid::Grid;
pub use html::{comparison_html, html};
pub use json::{
    CaseReport, MelPicture, MetricInfo, Party, REPORT_VERSION, Report, Sound, StageInfo,
};
pub use junit::junit;
pub use lengths::{Length, LengthParity, SegmentLengths};
pub use terminal::{comparison_table, table};
pub use write::{ReadError, WriteError, read, write};
