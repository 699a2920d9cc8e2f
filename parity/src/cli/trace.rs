use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use native::engine::Engine;
use native::precision::Precisions;
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::report::trace_table;
use parity::samples::Samples;
use parity::trace::{Engines, Verdict, follow_samples, power, trace};

use super::engine::{ModelArgs, case_bar};
use super::sample::golden_cases;
use super::shared::{CaseFileArgs, say, say_json};

/// Hold each token that an engine drew to the reference's draw: a verdict from few tokens.
///
/// For engines that draw torch's random numbers but whose logits are not exact: in low precision, or on a
/// GPU. The exact engine follows the tokens, and each is asked: would the reference's sampler draw it here,
/// with its random numbers and with logits as wrong as the precision makes them? Beside it stand
/// engines that are wrong in some way; where one of these makes the tokens a thousand times as probable,
/// the candidate is different. A right engine is called so once in a thousand times at most.
///
/// Exit status: 0 explained, 2 different, 4 there was nothing to follow.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity sample --out out/mine --seeds 2 --precision bf16\n  \
    parity trace out/mine\n  \
    parity sample --out out/wrong --seeds 2 --planted top-p=0.79\n  \
    parity trace out/wrong --explain bf16\n  \
    parity trace golden/samples-voice-7")]
pub struct TraceArgs {
    /// Draws with their seeds, by `parity sample` or another program
    #[arg(value_name = "DIR")]
    samples: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    cases: CaseFileArgs,
    /// The precision whose error explains a token: f32, bf16, q8 or q4 [default: the candidate's own]
    #[arg(long, value_name = "PRECISION")]
    explain: Option<Precisions>,
    /// Seeds of each text that are followed at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Cut the draws into runs of so many tokens, and say how many of them are called different
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `parity trace`.
pub fn run(args: &TraceArgs) -> anyhow::Result<Exit> {
    let samples = Samples::read(&args.samples)?;
    let explain = match &args.explain {
        Some(explain) => *explain,
        None => own_precision(&samples)?,
    };
    let seeds = args
        .seeds
        .map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let cases = cases(args, &samples)?;
    let model = &args.model;
    let builder = || Engine::builder(&model.model_dir).text_rules(model.text_rules.clone());
    let mut engines = Engines::load(builder, explain)?;
    let bar = case_bar(2 * cases.cases.len())?;
    let followed = follow_samples(&mut engines, &cases, &samples, seeds, |what| {
        bar.inc(1);
        bar.set_message(what.to_owned());
    })?;
    bar.finish_and_clear();
    let each = followed
        .iter()
        .map(|(case, seed, f)| (case.as_str(), *seed, f));
    let mut found = trace(each);
    if let Some(tokens) = args.runs {
        let each = followed.iter().map(|(.., followed)| followed);
        found.runs = Some(power(each, usize::try_from(tokens)?));
    }
    if args.json {
        say_json(&found)?;
    } else {
        say(&trace_table(&found, &explain.to_string()))?;
    }
    Ok(match found.verdict {
        Verdict::Explained => Exit::Parity,
        Verdict::Different => Exit::Failed,
        Verdict::Nothing => Exit::NothingCompared,
    })
}

fn own_precision(samples: &Samples) -> anyhow::Result<Precisions> {
    let precision = &samples.manifest.precision;
    precision.parse().map_err(|_| {
        anyhow::anyhow!(
            "the samples are in the precision `{precision}`, whose error is not known here: say which \
             explains their tokens, as in --explain bf16"
        )
    })
}

/// The cases of the samples, in their order.
fn cases(args: &TraceArgs, samples: &Samples) -> anyhow::Result<CaseFile> {
    if !args.cases.all() {
        bail!("--case does not choose among samples: draw those of the cases that you want");
    }
    golden_cases(&args.cases.cases, samples)
}
