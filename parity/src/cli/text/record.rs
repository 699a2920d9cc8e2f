use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use parity::exit::Exit;
use parity::text_corpus::{
    AnswerLine, AnswersHeader, KeptAnswers, Outcome, Plan, ReadAnswers, join_answers, reserve,
    write,
};

use super::reference::ReferenceArgs;
use crate::cli::engine::case_bar;
use crate::cli::share::ShardArg;
use crate::cli::shared::say;

/// Ask the reference about every text of the corpus, and keep its answers.
#[derive(Args, Debug)]
pub struct RecordArgs {
    #[command(flatten)]
    reference: ReferenceArgs,
    /// The texts; the answers go into its folder recorded/
    #[arg(long, value_name = "DIR", default_value = "golden/text")]
    corpus: PathBuf,
    #[command(flatten)]
    share: ShardArg,
    /// Write each answer into this file (JSON lines) at once, and take from it what is there, so that
    /// a run that was stopped goes on where it was. A shard's answers stay there: `parity text merge`
    /// joins them
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Lines asked about between two steps of the progress bar.
const BATCH: usize = 20;

/// Runs `parity text record`.
pub fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let plan = Plan::read(&args.corpus)?;
    let shard = args.share.shard;
    if shard.is_some() && args.keep.is_none() {
        bail!("--shard needs --keep, which names the file for the answers of this shard");
    }
    // Before the reference is loaded: its answers take minutes, which must not be for nothing.
    let folder = match shard {
        None => Some(reserve(&args.corpus)?),
        Some(_) => None,
    };
    let reference = args.reference.load()?;
    let header = AnswersHeader::new(&plan, reference.provenance()?, shard);
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    let path = args.keep.clone();
    let path = path.unwrap_or_else(|| temporary.path().join("answers.jsonl"));
    let mut kept = KeptAnswers::open(&path, &header)?;
    let parts = shard.map(|shard| (shard, plan.cut(shard.of)));
    let mut position = 0..;
    let mut asked: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for (name, part) in &plan.parts {
        let lines = plan.lines(part).zip(1..).zip(&mut position);
        let ours = lines.filter(|(_, at)| {
            let parts = parts.as_ref();
            parts.is_none_or(|(shard, parts)| parts.has(*shard, *at))
        });
        asked.insert(
            name,
            ours.map(|(((_, _, text), number), _)| (number, text))
                .collect(),
        );
    }
    let all: usize = asked.values().map(Vec::len).sum();
    let bar = case_bar(all)?;
    bar.inc(kept.answers().len() as u64);
    for (name, texts) in &asked {
        bar.set_message((*name).to_owned());
        let answered = |number: usize| kept.answers().contains_key(&((*name).to_owned(), number));
        let left: Vec<_> = texts
            .iter()
            .filter(|(number, _)| !answered(*number))
            .collect();
        let Some(part) = plan.parts.get(*name) else {
            continue;
        };
        for batch in left.chunks(BATCH) {
            let texts: Vec<_> = batch.iter().map(|(_, text)| *text).collect();
            let outcomes = reference.answers(&texts, part.setting)?;
            for ((number, text), outcome) in batch.iter().zip(outcomes) {
                kept.add(name, *number, AnswerLine::of(text, outcome))?;
            }
            bar.inc(batch.len() as u64);
        }
    }
    bar.finish_and_clear();
    let raised = kept
        .answers()
        .values()
        .filter(|a| a.raised.is_some())
        .count();
    let failures = format!("the reference raises an exception on {raised}");
    let Some(folder) = folder else {
        let path = path.display();
        say(&format!(
            "{path}: {all} texts of {}; {failures}\n",
            plan.count()
        ))?;
        return Ok(Exit::Parity);
    };
    let read = ReadAnswers::read(&path)?;
    let (reference, answers): (_, BTreeMap<String, Vec<Outcome>>) = join_answers(&plan, &[read])?;
    let replaced = write(folder, &args.corpus, &plan, reference, &answers)?;
    let outcome = match replaced {
        true => "recorded",
        false => "reproduced; the recording that was there is kept",
    };
    let corpus = args.corpus.display();
    say(&format!("{corpus}: {all} texts {outcome}; {failures}\n"))?;
    Ok(Exit::Parity)
}
