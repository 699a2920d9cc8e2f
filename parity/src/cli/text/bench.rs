use std::time::Instant;

use clap::Args;
use native::model_dir::ModelDir;
use native::text::TextFrontend;
use parity::exit::Exit;
use parity::record::python::PythonText;
use parity::text_corpus::{FrontendSetting, Generator, LineKind, NativeFrontends, Outcome};
use serde::Serialize;

use super::reference::ReferenceArgs;
use crate::cli::shared::{say, say_json};

/// Time both frontends on the same lines, each on one thread and warm.
///
/// A line is normalised, split and tokenised. Fails if native is less than --at-least times as
/// fast in either language, or takes longer than half a second for 10,000 Chinese characters.
#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    reference: ReferenceArgs,
    /// The same seed gives the same lines
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lines of each language
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// How many times as fast native has to be
    #[arg(long, default_value_t = 4.0)]
    at_least: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Seconds that native may take for [`LONG`] characters.
const LONG_LIMIT: f64 = 0.5;
/// Characters of the long text.
const LONG: usize = 10_000;

/// What was timed, on average over the lines.
#[derive(Debug, Serialize)]
struct Timing {
    name: &'static str,
    lines: usize,
    characters: usize,
    reference_seconds: f64,
    native_seconds: f64,
    ratio: f64,
}

/// Runs `parity text bench`.
pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    let reference = args.reference.load()?;
    let model = ModelDir::open(&args.reference.model_dir)?;
    let mut frontends = NativeFrontends::new(&model);
    let native = frontends.of(FrontendSetting::default())?;
    let mut generator = Generator::new(args.seed);
    let time = |name, lines: Vec<String>| time(name, &lines, &reference, native);
    let english = answered(&reference, &mut generator, LineKind::English, args.count)?;
    let chinese = answered(&reference, &mut generator, LineKind::Chinese, args.count)?;
    let mut long = chinese.concat();
    while long.chars().count() < LONG {
        long.push_str(&long.clone());
    }
    let long: String = long.chars().take(LONG).collect();
    let timings = [
        time("English", english)?,
        time("Chinese", chinese)?,
        time("long Chinese", vec![long])?,
    ];
    if args.json {
        say_json(&timings)?;
    } else {
        print(&timings)?;
    }
    let [english, chinese, long] = &timings;
    let fast = |timing: &Timing| timing.ratio >= args.at_least;
    Ok(
        if fast(english) && fast(chinese) && long.native_seconds < LONG_LIMIT {
            Exit::Parity
        } else {
            Exit::Failed
        },
    )
}

/// Lines on which the reference raises no exception.
fn answered(
    reference: &PythonText,
    generator: &mut Generator,
    kind: LineKind,
    count: usize,
) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let more: Vec<_> = (lines.len()..count).map(|_| generator.line(kind)).collect();
        let texts: Vec<_> = more.iter().map(String::as_str).collect();
        let outcomes = reference.answers(&texts, FrontendSetting::default())?;
        let spoken = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Answered(_));
        let both = more.into_iter().zip(outcomes).filter(spoken);
        lines.extend(both.map(|(line, _)| line));
    }
    Ok(lines)
}

fn time(
    name: &'static str,
    lines: &[String],
    reference: &PythonText,
    native: &TextFrontend,
) -> anyhow::Result<Timing> {
    let texts: Vec<_> = lines.iter().map(String::as_str).collect();
    let seconds = || -> native::Result<f64> {
        let start = Instant::now();
        for text in &texts {
            for segment in &native.normalize(text, true)?.segments {
                native.ids(segment)?;
            }
        }
        Ok(start.elapsed().as_secs_f64())
    };
    // The first round fills caches; what is kept is the better of two more, which is the one that
    // other programs of the machine disturbed less.
    let mut best = (f64::INFINITY, f64::INFINITY);
    for round in 0..3 {
        let python: f64 = reference
            .seconds(&texts, FrontendSetting::default())?
            .iter()
            .sum();
        let rust = seconds()?;
        if round > 0 {
            best = (best.0.min(python), best.1.min(rust));
        }
    }
    let lines = texts.len() as f64;
    Ok(Timing {
        name,
        lines: texts.len(),
        characters: texts.iter().map(|text| text.chars().count()).sum(),
        reference_seconds: best.0 / lines,
        native_seconds: best.1 / lines,
        ratio: best.0 / best.1,
    })
}

fn print(timings: &[Timing]) -> anyhow::Result<()> {
    say(&format!(
        "{:<14} {:>6} {:>11} {:>16} {:>14} {:>8}\n",
        "lines", "count", "characters", "reference a line", "native a line", "faster"
    ))?;
    for t in timings {
        say(&format!(
            "{:<14} {:>6} {:>11} {:>13.3} ms {:>11.3} ms {:>7.1}x\n",
            t.name,
            t.lines,
            t.characters,
            t.reference_seconds * 1e3,
            t.native_seconds * 1e3,
            t.ratio
        ))?;
    }
    Ok(())
}
