use std::fmt::Write as _;

use super::board::{Held, Scoreboard};

/// The scoreboard as Markdown, aligned so that a terminal shows it as a table too.
pub fn scoreboard_table(board: &Scoreboard) -> String {
    let mut rows = vec![vec![String::from("stage")]];
    for column in &board.columns {
        rows[0].push(format!("{}, {}", column.engine, column.feed.name()));
    }
    for row in &board.rows {
        let held = row.held.iter().map(|h| words(*h));
        rows.push(std::iter::once(row.stage.to_string()).chain(held).collect());
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|c| cell(c).chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..=board.columns.len()).map(width).collect();
    let mut out = String::new();
    for (i, row) in rows.iter().enumerate() {
        for (text, width) in row.iter().zip(&widths) {
            let _ = write!(out, "| {:width$} ", cell(text));
        }
        out.push_str("|\n");
        if i == 0 {
            for width in &widths {
                let _ = write!(out, "|{}", "-".repeat(width + 2));
            }
            out.push_str("|\n");
        }
    }
    for wrong in &board.wrong {
        let (engine, verdict) = (&wrong.engine, &wrong.verdict);
        let (right, stages) = (wrong.right, wrong.stages);
        let _ = writeln!(
            out,
            "\n{engine}: {verdict}; right on {right} of the {stages} stages that it could be held on"
        );
        for line in &wrong.lines {
            let _ = writeln!(out, "- {line}");
        }
    }
    out
}

/// `✓ 3/3`, `✗ 1/3`; a dash where nothing was compared.
pub(super) fn words(held: Held) -> String {
    let compared = held.compared();
    let lacking = match held.missing {
        0 => String::new(),
        missing => format!(", {missing} missing"),
    };
    match (compared, held.failed) {
        (0, _) => "–".to_owned(),
        (_, 0) => format!("✓ {compared}/{compared}{lacking}"),
        _ => format!("✗ {}/{compared}{lacking}", held.passed),
    }
}
