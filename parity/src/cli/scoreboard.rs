use std::path::PathBuf;

use clap::Args;
use parity::exit::Exit;
use parity::report::{Scoreboard, read, scoreboard_html, scoreboard_table};

use super::shared::{say, say_json};

/// Put several engines side by side: on which stages each could be held, and what it gets wrong.
///
/// Each engine is given by its report.json, all of the same golden, limits and cases. The table is
/// Markdown. Its exit status is 0 whatever the engines do; `parity judge` has the verdict of each.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    parity record --engine command --engine-name port --case hi --out out/port --command '…'\n  \
    parity judge --golden golden/tiny-7 --cascaded out/port --case hi --out out/port-report\n  \
    parity scoreboard out/port-report/report.json out/other-report/report.json --html out/scores.html")]
pub struct ScoreboardArgs {
    /// The report.json of every engine
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Also write it as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `parity scoreboard`.
pub fn run(args: &ScoreboardArgs) -> anyhow::Result<Exit> {
    let reports = args.reports.iter().map(|path| read(path));
    let reports: Vec<_> = reports.collect::<Result<_, _>>()?;
    let board = Scoreboard::of(&reports)?;
    if let Some(path) = &args.html {
        let page = scoreboard_html(&board).map_err(anyhow::Error::msg)?;
        parity_atomic::write_file(path, page.as_bytes())?;
    }
    match args.json {
        true => say_json(&board)?,
        false => say(&scoreboard_table(&board))?,
    }
    Ok(match board.rows.is_empty() {
        true => Exit::NothingCompared,
        false => Exit::Parity,
    })
}
