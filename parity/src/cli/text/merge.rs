use std::path::PathBuf;

use clap::Args;
use parity::exit::Exit;
use parity::text_corpus::{Plan, ReadAnswers, join_answers, reserve, write};

use crate::cli::shared::say;

/// Join the answers of all shards of `parity text record` into the corpus.
///
/// Every text must be answered in exactly one file, by the same reference.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    parity text record --shard 1/2 --keep out/1.jsonl; parity text record --shard 2/2 --keep out/2.jsonl\n  \
    parity text merge out/1.jsonl out/2.jsonl")]
pub struct MergeArgs {
    /// The file of every shard
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The texts; the answers go into its folder recorded/
    #[arg(long, value_name = "DIR", default_value = "golden/text")]
    corpus: PathBuf,
}

/// Runs `parity text merge`.
pub fn run(args: &MergeArgs) -> anyhow::Result<Exit> {
    let plan = Plan::read(&args.corpus)?;
    let files = args.files.iter().map(|path| ReadAnswers::read(path));
    let files: Vec<_> = files.collect::<Result<_, _>>()?;
    let (reference, answers) = join_answers(&plan, &files)?;
    let folder = reserve(&args.corpus)?;
    let outcome = match write(folder, &args.corpus, &plan, reference, &answers)? {
        true => "recorded",
        false => "reproduced; the recording that was there is kept",
    };
    let corpus = args.corpus.display();
    say(&format!("{corpus}: {} texts {outcome}\n", plan.count()))?;
    Ok(Exit::Parity)
}
