use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use native::engine::Engine;
use native::precision::{Precision, Precisions};
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::record::NativeRecorder;
use parity::report::trace_table;
use parity::samples::Samples;
use parity::trace::{Followed, LogitErrors, Text, Verdict, follow, measure_errors, power, trace};
use rayon::prelude::*;

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

/// Places at which the error of the logits is measured: of each text, and of all.
const PLACES: (usize, usize) = (24, 256);

/// The error of float32 in another order, in multiples of that of bfloat16: it has 16 bits more of each
/// number, and sums have some more rounding.
const F32_FROM_BF16: f32 = 1.0 / 8192.0;

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
    let followed = follow_all(args, &samples, explain, seeds)?;
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

/// The exact engine, and one whose logits are as wrong as may be.
struct Engines {
    exact: NativeRecorder,
    wrong: NativeRecorder,
    /// By how much the latter's error is multiplied.
    scale: f32,
}

impl Engines {
    fn load(args: &TraceArgs, samples: &Samples, explain: Precisions) -> anyhow::Result<Self> {
        let torch = samples.manifest.libraries.get("torch").map(String::as_str);
        let load = |precision: Precisions| {
            let builder = Engine::builder(&args.model.model_dir)
                .precision(precision)
                .text_rules(args.model.text_rules.clone());
            let mut recorder = NativeRecorder::load(builder, "cpu", &precision.to_string())?;
            recorder.match_torch(torch);
            anyhow::Ok(recorder)
        };
        let f32: Precisions = Precisions::default();
        let (wrong, scale) = if explain == f32 {
            (Precision::Bf16.into(), F32_FROM_BF16)
        } else {
            (explain, 1.0)
        };
        Ok(Self {
            exact: load(f32)?,
            wrong: load(wrong)?,
            scale,
        })
    }
}

/// Follows the draws, seed by seed, so that a run has all texts.
fn follow_all(
    args: &TraceArgs,
    samples: &Samples,
    explain: Precisions,
    seeds: usize,
) -> anyhow::Result<Vec<(String, u64, Followed)>> {
    let cases = cases(args, samples)?;
    let mut engines = Engines::load(args, samples, explain)?;
    let multinomial = engines.exact.multinomial();
    let bar = case_bar(2 * cases.cases.len())?;
    let mut prompts = Vec::new();
    let mut vectors = Vec::new();
    for (case, of) in cases.cases.iter().zip(&samples.texts) {
        bar.inc(1);
        bar.set_message(format!("{}: error of the logits", case.name));
        let (engine, _, prompt) = engines.exact.lm_prompt(case, &cases)?;
        let (wrong, _, wrong_prompt) = engines.wrong.lm_prompt(case, &cases)?;
        if let (Some(draw), Some(&seed)) = (of.draws.first(), samples.manifest.seeds.first())
            && vectors.len() < PLACES.1
        {
            let text = Text {
                lm: engine.llm(),
                prompt: &prompt,
                draw,
                seed,
                multinomial,
            };
            vectors.extend(measure_errors(
                &text,
                (wrong.llm(), &wrong_prompt),
                PLACES.0,
            )?);
        }
        prompts.push((engine, prompt));
    }
    let errors = LogitErrors::new(vectors, engines.scale);
    let mut by_text = Vec::new();
    for ((case, of), (engine, prompt)) in cases.cases.iter().zip(&samples.texts).zip(&prompts) {
        bar.inc(1);
        bar.set_message(case.name.clone());
        let draws: Vec<_> = samples
            .manifest
            .seeds
            .iter()
            .zip(&of.draws)
            .take(seeds)
            .collect();
        let one = |&(&seed, draw): &(&u64, &parity::samples::Draw)| {
            let text = Text {
                lm: engine.llm(),
                prompt,
                draw,
                seed,
                multinomial,
            };
            follow(&text, &errors).map(|followed| (case.name.clone(), seed, followed))
        };
        let found: Vec<_> = draws.par_iter().map(one).collect::<native::Result<_>>()?;
        by_text.push(found.into_iter());
    }
    bar.finish_and_clear();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(by_text.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return Ok(all);
        }
    }
}

/// The cases of the samples, in their order.
fn cases(args: &TraceArgs, samples: &Samples) -> anyhow::Result<CaseFile> {
    if !args.cases.all() {
        bail!("--case does not choose among samples: draw those of the cases that you want");
    }
    golden_cases(&args.cases.cases, samples)
}
