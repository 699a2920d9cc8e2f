use clap::{Args, Subcommand};
use parity::exit::Exit;

#[cfg(feature = "record")]
use super::{bench, fuzz, record};
use super::{check, lines, merge};

/// Hold the text frontend to the reference over thousands of lines.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity text check\n  \
    parity text fuzz --seed 7 --count 20000 --cosyvoice-root ../CosyVoice\n  \
    parity text lines --kind hostile --count 5\n\n\
    record, fuzz and bench run the reference and need a build with --features record;\n\
    `make golden` and `make fuzz-text` do all of it.")]
pub struct TextArgs {
    #[command(subcommand)]
    command: TextCommand,
}

#[derive(Subcommand, Debug)]
enum TextCommand {
    #[cfg(feature = "record")]
    Bench(bench::BenchArgs),
    Check(check::CheckArgs),
    #[cfg(feature = "record")]
    Fuzz(fuzz::FuzzArgs),
    Lines(lines::LinesArgs),
    Merge(merge::MergeArgs),
    #[cfg(feature = "record")]
    Record(record::RecordArgs),
}

/// Runs `parity text`.
pub fn run(args: &TextArgs) -> anyhow::Result<Exit> {
    match &args.command {
        #[cfg(feature = "record")]
        TextCommand::Bench(args) => bench::run(args),
        TextCommand::Check(args) => check::run(args),
        #[cfg(feature = "record")]
        TextCommand::Fuzz(args) => fuzz::run(args),
        TextCommand::Lines(args) => lines::run(args),
        TextCommand::Merge(args) => merge::run(args),
        #[cfg(feature = "record")]
        TextCommand::Record(args) => record::run(args),
    }
}
