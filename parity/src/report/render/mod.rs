//! From a report to a page, a table and files.

mod annotations;
mod failures;
mod gaps;
mod headline;
mod html;
mod junit;
mod layers;
mod plot;
mod schema;
mod terminal;
mod view;
mod write;

pub use annotations::{annotations, step_summary};
pub(super) use headline::Headline;
pub use html::html;
pub(super) use html::{SOUND_SCRIPT, render};
pub use junit::junit;
pub use layers::layers_table;
pub(super) use plot::{Curve, Plot, Role, Scale};
pub use schema::schema;
pub use terminal::{Detail, Rest, table};
pub(super) use terminal::{item, line};
pub(super) use view::{Clock, definition, f0, levels, mel, player};
pub use write::{WriteError, write};
