use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use parity::exit::Exit;
use parity::text_corpus::{Outcome, Plan, reserve, write};

use super::reference::ReferenceArgs;
use crate::cli::engine::case_bar;
use crate::cli::shared::say;

/// Ask the reference about every text of the corpus, and keep its answers.
#[derive(Args, Debug)]
pub struct RecordArgs {
    #[command(flatten)]
    reference: ReferenceArgs,
    /// The texts; the answers go into its folder recorded/
    #[arg(long, value_name = "DIR", default_value = "golden/text")]
    corpus: PathBuf,
}

/// Lines asked about between two steps of the progress bar.
const BATCH: usize = 20;

/// Runs `parity text record`.
pub fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let plan = Plan::read(&args.corpus)?;
    // Before the reference is loaded: its answers take minutes, which must not be for nothing.
    let folder = reserve(&args.corpus)?;
    let reference = args.reference.load()?;
    let all = plan
        .parts
        .values()
        .map(|part| plan.lines(part).count())
        .sum();
    let bar = case_bar(all)?;
    let mut answers = BTreeMap::new();
    let mut failed = 0;
    for (name, part) in &plan.parts {
        bar.set_message(name.clone());
        let texts: Vec<_> = plan.lines(part).map(|(_, _, text)| text).collect();
        let mut outcomes = Vec::new();
        for batch in texts.chunks(BATCH) {
            outcomes.extend(reference.answers(batch, part.setting)?);
            bar.inc(batch.len() as u64);
        }
        let raised = |outcome: &&Outcome| matches!(outcome, Outcome::Raised(_));
        failed += outcomes.iter().filter(raised).count();
        answers.insert(name.clone(), outcomes);
    }
    bar.finish_and_clear();
    let replaced = write(
        folder,
        &args.corpus,
        &plan,
        reference.provenance()?,
        &answers,
    )?;
    let outcome = if replaced {
        "recorded"
    } else {
        "reproduced; the recording that was there is kept"
    };
    say(&format!(
        "{}: {all} texts {outcome}; the reference raises an exception on {failed}\n",
        args.corpus.display()
    ))?;
    Ok(Exit::Parity)
}
