//! Reports: `report.json`, and everything that is made from it alone.
//!
//! `model` is the form of `report.json`, `build` fills it from recordings, `read` takes it from a
//! file, `render` turns it into pages, tables and files. `compare` holds two sounds, or two folders
//! of them, side by side; `history` keeps the results of all runs, `tensors` writes both sides'
//! values, `scoreboard` puts several engines side by side.

mod build;
mod compare;
mod headroom;
mod history;
mod model;
mod read;
mod render;
mod samples;
mod scoreboard;
mod tensors;
mod trace;
mod wrong_sampler;

pub use crate::format::{number, unit};
pub use build::{MergeError, build_report, merge};
pub use compare::{
    FolderComparison, FolderError, Side, SoundComparison, comparison_html, comparison_table,
    folders_html, folders_table,
};
pub use history::{HISTORY, HistoryError, Past, add_to_history, read_history};
pub use model::{
    AlignedMel, CaseReport, Change, ChangeDirection, Contour, Grid, Length, LengthParity,
    LimitsInfo, MeasureChange, MelPicture, MetricInfo, PastRun, PastStage, REPORT_VERSION,
    RecordingInfo, Report, SegmentLengths, Shard, Sound, StageInfo, TensorFile, TokenLists, Trend,
};
pub use read::{ReadError, read};
pub use render::{
    Detail, Rest, WriteError, annotations, html, junit, layers_table, schema, step_summary, table,
    write,
};
pub use samples::{samples_html, samples_table, trials_table};
pub use scoreboard::{
    Column, Held, Row, Scoreboard, ScoreboardError, Wrong, scoreboard_html, scoreboard_table,
};
pub use tensors::{TensorError, write_tensors};
pub use trace::trace_table;
pub use wrong_sampler::{WRONG_SAMPLER_PAGE, wrong_sampler_html, wrong_sampler_table};
