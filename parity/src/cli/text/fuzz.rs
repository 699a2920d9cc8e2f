use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use native::model_dir::ModelDir;
use native::text::NormalizerKind;
use parity::exit::Exit;
use parity::text_corpus::{
    Agreement, FrontendSetting, Generator, LineKind, NativeFrontends, check_line,
};

use super::reference::ReferenceArgs;
use crate::cli::engine::case_bar;
use crate::cli::shared::say;

/// Ask the live reference and the native frontend about random lines.
///
/// Every disagreement is printed with its first difference. Most lines are asked about in the
/// default setting, and some in each of the others.
#[derive(Args, Debug)]
pub struct FuzzArgs {
    #[command(flatten)]
    reference: ReferenceArgs,
    /// The same seed gives the same lines (default: another one each time)
    #[arg(long)]
    seed: Option<u64>,
    /// How many lines
    #[arg(long, default_value_t = 20_000)]
    count: usize,
}

/// Lines that are asked about in one setting, one after the other.
const BATCH: usize = 25;

#[derive(Default)]
struct Tally {
    agreed: usize,
    failed: usize,
    differing: usize,
}

/// Runs `parity text fuzz`.
pub fn run(args: &FuzzArgs) -> anyhow::Result<Exit> {
    let seed = match args.seed {
        Some(seed) => seed,
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)?
            .subsec_nanos()
            .into(),
    };
    say(&format!("seed {seed}, {} lines\n", args.count))?;
    let reference = args.reference.load()?;
    let model = ModelDir::open(&args.reference.model_dir)?;
    let mut frontends = NativeFrontends::new(&model);
    let settings = settings(args.reference.older_wetext.is_some());
    let mut generator = Generator::new(seed);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut raised: BTreeMap<String, usize> = BTreeMap::new();
    let bar = case_bar(args.count)?;
    let mut done = 0;
    for &setting in settings.iter().cycle() {
        let lines: Vec<(LineKind, String)> = (done..args.count)
            .take(BATCH)
            .map(|_| generator.any())
            .collect();
        if lines.is_empty() {
            break;
        }
        let texts: Vec<_> = lines.iter().map(|(_, text)| text.as_str()).collect();
        let outcomes = reference.answers(&texts, setting)?;
        let frontend = frontends.of(setting)?;
        for ((kind, text), outcome) in lines.iter().zip(&outcomes) {
            let tally = tallies.entry(kind.name()).or_default();
            match check_line(frontend, setting, text, outcome) {
                Agreement::Same => tally.agreed += 1,
                Agreement::BothFail { raised: kind, .. } => {
                    tally.failed += 1;
                    *raised.entry(kind).or_default() += 1;
                }
                Agreement::Differs(difference) => {
                    tally.differing += 1;
                    let text = serde_json::to_string(text)?;
                    bar.suspend(|| say(&format!("\n{setting}: {text}\n  {difference}\n")))?;
                }
            }
        }
        done += lines.len();
        bar.inc(lines.len() as u64);
    }
    bar.finish_and_clear();
    report(seed, &tallies, &raised)
}

/// The settings in which batches are asked about, in turn.
fn settings(older: bool) -> Vec<FrontendSetting> {
    let usual = FrontendSetting::default();
    let others = [
        FrontendSetting {
            normalizer: NormalizerKind::None,
            ..usual
        },
        FrontendSetting {
            normalizer: NormalizerKind::Wetext004,
            ..usual
        },
        FrontendSetting {
            english_prefix: true,
            ..usual
        },
        FrontendSetting {
            split: false,
            ..usual
        },
        FrontendSetting {
            text_frontend: false,
            ..usual
        },
    ];
    let possible = |s: &FrontendSetting| older || s.normalizer != NormalizerKind::Wetext004;
    let others = others.into_iter().filter(possible);
    others
        .flat_map(|other| [usual, usual, usual, other])
        .collect()
}

fn report(
    seed: u64,
    tallies: &BTreeMap<&str, Tally>,
    raised: &BTreeMap<String, usize>,
) -> anyhow::Result<Exit> {
    say(&format!(
        "{:<12} {:>8} {:>10} {:>8}\n",
        "lines", "agree", "both fail", "differ"
    ))?;
    let mut all = Tally::default();
    for (kind, tally) in tallies {
        row(kind, tally)?;
        all.agreed += tally.agreed;
        all.failed += tally.failed;
        all.differing += tally.differing;
    }
    row("all", &all)?;
    for (kind, count) in raised {
        say(&format!(
            "the reference raises {kind}: {count}, and native says so\n"
        ))?;
    }
    if all.differing > 0 {
        say(&format!("again: make fuzz-text SEED={seed}\n"))?;
        return Ok(Exit::Failed);
    }
    Ok(if all.agreed == 0 {
        Exit::NothingCompared
    } else {
        Exit::Parity
    })
}

fn row(name: &str, tally: &Tally) -> anyhow::Result<()> {
    let Tally {
        agreed,
        failed,
        differing,
    } = tally;
    say(&format!(
        "{name:<12} {agreed:>8} {failed:>10} {differing:>8}\n"
    ))
}
