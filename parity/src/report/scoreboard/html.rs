use minijinja::context;

use super::board::Scoreboard;
use super::table::words;
use crate::report::render::render;

/// The scoreboard as a self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn scoreboard_html(board: &Scoreboard) -> Result<String, String> {
    let rows = board.rows.iter().map(|row| {
        let cells = row.held.iter().map(|held| {
            let class = match (held.compared(), held.failed) {
                (0, _) => "none",
                (_, 0) => "pass",
                _ => "fail",
            };
            context! { class, words => words(*held) }
        });
        context! { stage => row.stage.to_string(), cells => cells.collect::<Vec<_>>() }
    });
    let columns = board.columns.iter().map(|column| {
        context! { engine => column.engine, feed => column.feed.name() }
    });
    render(
        "scoreboard.html",
        &[],
        context! {
            board,
            columns => columns.collect::<Vec<_>>(),
            rows => rows.collect::<Vec<_>>(),
        },
    )
}
