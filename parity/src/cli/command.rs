use std::process::exit;

use clap::{CommandFactory, Parser, Subcommand};
use git_version::git_version;
use parity::exit::Exit;
use parity::recording;

use super::shared::GoldenFault;
use super::{
    bench, check, compare, diff, doctor, explain, fixture, interrupt, judge, manual, merge, record,
    render, report, sample, scoreboard, selftest, text, trace,
};

/// With the commit that it was built from.
const VERSION: &str = git_version!(
    prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
    suffix = ")",
    args = ["--always", "--dirty", "--abbrev=8"],
    fallback = "no commit"
);

/// Where somebody begins who has only this page.
const FIRST_STEPS: &str = "First steps:
  The engine that comes along    parity report
  An engine of your own          parity record --engine command … (or your own recording), then
                                 parity check DIR --golden golden/voice-7
                                 parity diff golden/voice-7 DIR
  The released weights           parity doctor --model-dir DIR

Guides: parity/docs/guides/own-port.md, real-weights.md and own-cases.md";

/// Holds a CosyVoice3 engine to the Python reference, stage by stage.
///
/// Exit status: 0 parity, 1 wrong usage or unreadable input, 2 parity failed, 3 golden missing or
/// stale, or a recording damaged, 4 nothing was compared or a part is missing, 70 a bug.
#[derive(Parser, Debug)]
#[command(name = "parity", version = VERSION, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Bench(Box<bench::BenchArgs>),
    Check(check::CheckArgs),
    Compare(compare::CompareArgs),
    Completions(manual::CompletionsArgs),
    Diff(diff::DiffArgs),
    Doctor(doctor::DoctorArgs),
    Explain(explain::ExplainArgs),
    Fixture(fixture::FixtureArgs),
    Judge(judge::JudgeArgs),
    Man(manual::ManArgs),
    Merge(merge::MergeArgs),
    Record(Box<record::RecordArgs>),
    Render(render::RenderArgs),
    Report(report::ReportArgs),
    Sample(Box<sample::SampleArgs>),
    Scoreboard(scoreboard::ScoreboardArgs),
    Selftest(selftest::SelftestArgs),
    Text(text::TextArgs),
    Trace(trace::TraceArgs),
}

/// Runs the command that the arguments name.
pub fn run() -> Exit {
    // A panic is a bug, in whatever thread it happens.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        eprintln!("parity: this is a bug; please report it with the lines above");
        exit(i32::from(Exit::Bug.code()));
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            let wrong = message.use_stderr();
            // Nobody is left to be told if this fails.
            let _ = message.print();
            return if wrong { Exit::Usage } else { Exit::Parity };
        }
    };
    if let Err(error) = interrupt::watch() {
        eprintln!("parity: cannot watch for signals: {error}");
        return Exit::Usage;
    }
    let result = match cli.command {
        Command::Bench(args) => bench::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Completions(args) => manual::completions(&args, Cli::command()),
        Command::Diff(args) => diff::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Fixture(args) => fixture::run(&args).map(|()| Exit::Parity),
        Command::Judge(args) => judge::run(&args),
        Command::Man(args) => manual::man(&args, Cli::command()),
        Command::Merge(args) => merge::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Scoreboard(args) => scoreboard::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Text(args) => text::run(&args),
        Command::Trace(args) => trace::run(&args),
    };
    interrupt::wait_if_stopping();
    result.unwrap_or_else(|error| {
        eprintln!("parity: {}", native::error_chain(error.as_ref()));
        match error.downcast_ref::<recording::Error>() {
            _ if error.is::<merge::Incomplete>() => Exit::Incomplete,
            _ if error.is::<GoldenFault>() || error.is::<report::Stale>() => Exit::Golden,
            Some(error) => error.exit(),
            None => Exit::Usage,
        }
    })
}
