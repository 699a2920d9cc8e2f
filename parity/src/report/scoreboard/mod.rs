//! Several engines over the same cases: on which stages each could be held, and what it gets wrong.

mod board;
mod html;
mod table;

pub use board::{Column, Held, Row, Scoreboard, ScoreboardError, Wrong};
pub use html::scoreboard_html;
pub use table::scoreboard_table;
