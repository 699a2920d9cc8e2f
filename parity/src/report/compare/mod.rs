//! Two sound files, or two folders of them, side by side.

mod folders;
mod html;
mod sound_comparison;
mod terminal;

pub use folders::{FolderComparison, FolderError};
pub use html::{comparison_html, folders_html};
pub use sound_comparison::{Side, SoundComparison};
pub use terminal::{comparison_table, folders_table};
