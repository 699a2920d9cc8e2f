use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use parity::case::{Case, CaseFile};
use parity::exit::Exit;
use parity::record::Timing;
use serde::Serialize;

use super::engine::EngineArgs;
use super::shared::{DEFAULT_CASES, say, say_json};

/// The parts of the work, in its order, by the names under which both engines time them.
const PARTS: [&str; 7] = [
    "text",
    "prompt features",
    "speech tokenizer",
    "speaker embedding",
    "language model",
    "flow",
    "vocoder",
];

/// Time the reference and the native engine side by side, part by part.
///
/// Both say one case in turns, in one process, on the same number of threads; the table shows the
/// quickest run of each, which other work on the machine disturbs least. Without a build with
/// --features record there is no reference, and only the native engine is timed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity bench --case english-short\n  \
    parity bench --model-dir ../Fun-CosyVoice3-0.5B --cosyvoice-root ../CosyVoice --repeats 5 \
    --json")]
pub struct BenchArgs {
    #[command(flatten)]
    native: EngineArgs,
    #[cfg(feature = "record")]
    #[command(flatten)]
    reference: super::record_python::ReferenceLocation,
    /// The cases
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CASES)]
    cases: PathBuf,
    /// The case to say, one with a text (default: the first)
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// How often each engine says it, at least twice: the first run of PyTorch is several times
    /// slower than any other
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
    repeats: u32,
    /// Threads of each engine (default: one for each core)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Time the native engine only
    #[arg(long)]
    native_only: bool,
    /// Print every run of every part as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Bench {
    case: String,
    threads: usize,
    /// Speech tokens that were sampled; both engines' are the same.
    tokens: usize,
    /// Whether there was a reference to compare with.
    reference: bool,
    parts: Vec<Part>,
}

/// Seconds of every run of one part of the work.
#[derive(Serialize)]
struct Part {
    part: &'static str,
    reference: Vec<f64>,
    native: Vec<f64>,
}

/// Runs `parity bench`.
pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    let names: Vec<String> = args.case.iter().cloned().collect();
    let cases = CaseFile::load(&args.cases)?.select(&names)?;
    let case = cases.cases.first().context("there are no cases")?;
    ensure!(
        !case.is_conversion() && !case.stream,
        "case \"{}\" has no text or is streamed: choose another one with --case",
        case.name
    );
    let threads = match args.threads {
        Some(threads) => threads as usize,
        None => std::thread::available_parallelism()?.get(),
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;
    let mut native = args.native.load()?;
    let reference = Reference::load(args, threads)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 1..=args.repeats {
        eprintln!("run {run} of {}", args.repeats);
        if let Some(reference) = &reference {
            theirs.push(reference.time(case, &cases)?);
        }
        ours.push(native.time(case, &cases)?);
    }
    let tokens = &ours[0].tokens;
    if let Some(other) = ours.iter().chain(&theirs).find(|t| &t.tokens != tokens) {
        bail!(
            "the engines did not say the same, so their times cannot be compared: {} and {} \
             speech tokens; see `parity report`",
            tokens.concat().len(),
            other.tokens.concat().len()
        );
    }
    let runs = |timings: &[Timing], part: &str| {
        let of_part = |t: &Timing| t.seconds.get(part).copied();
        timings.iter().filter_map(of_part).collect()
    };
    let bench = Bench {
        case: case.name.clone(),
        threads,
        tokens: tokens.concat().len(),
        reference: reference.is_some(),
        parts: PARTS
            .map(|part| Part {
                part,
                reference: runs(&theirs, part),
                native: runs(&ours, part),
            })
            .into(),
    };
    if args.json {
        say_json(&bench)?;
    } else {
        say(&table(&bench))?;
    }
    Ok(Exit::Parity)
}

fn table(bench: &Bench) -> String {
    let quickest = |runs: &[f64]| runs.iter().copied().reduce(f64::min);
    let mut out = format!(
        "{}: {} speech tokens, {} thread(s), the quickest of {} run(s), in seconds\n\n\
         {:<18} {:>10} {:>10} {:>10}\n",
        bench.case,
        bench.tokens,
        bench.threads,
        bench.parts.first().map_or(0, |p| p.native.len()),
        "part",
        "reference",
        "native",
        "faster by"
    );
    for part in &bench.parts {
        let (theirs, ours) = (quickest(&part.reference), quickest(&part.native));
        let seconds = |s: Option<f64>| s.map_or("-".into(), |s| format!("{s:.3}"));
        let ratio = match (theirs, ours) {
            (Some(theirs), Some(ours)) if ours > 0.0 => format!("{:.2}×", theirs / ours),
            _ => "-".into(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<18} {:>10} {:>10} {ratio:>10}",
            part.part,
            seconds(theirs),
            seconds(ours)
        );
    }
    if !bench.reference {
        out.push_str("\nThe reference was not timed: that needs a build with --features record.\n");
    }
    out
}

/// The Python reference, where this program was built with it.
#[cfg(feature = "record")]
struct Reference(parity::record::python::PythonEngine);

#[cfg(feature = "record")]
impl Reference {
    fn load(args: &BenchArgs, threads: usize) -> anyhow::Result<Option<Self>> {
        use parity::record::python::{Options, PythonEngine};

        if args.native_only {
            return Ok(None);
        }
        let options = Options {
            threads,
            ..args.reference.options(&args.native)?
        };
        Ok(Some(Self(PythonEngine::load(&options)?)))
    }

    fn time(&self, case: &Case, cases: &CaseFile) -> anyhow::Result<Timing> {
        Ok(self.0.time(case, cases)?)
    }
}

#[cfg(not(feature = "record"))]
enum Reference {}

#[cfg(not(feature = "record"))]
impl Reference {
    fn load(_: &BenchArgs, _: usize) -> anyhow::Result<Option<Self>> {
        Ok(None)
    }

    fn time(&self, _: &Case, _: &CaseFile) -> anyhow::Result<Timing> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_the_quickest_runs_and_how_they_compare() {
        let bench = Bench {
            case: "a".into(),
            threads: 2,
            tokens: 33,
            reference: true,
            parts: vec![Part {
                part: "flow",
                reference: vec![7.0, 6.0],
                native: vec![4.0, 5.0],
            }],
        };
        let table = table(&bench);
        assert!(table.contains("33 speech tokens") && table.contains("2 run(s)"));
        let row = table.lines().last().unwrap();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells, ["flow", "6.000", "4.000", "1.50×"]);
    }

    #[test]
    fn without_a_reference_the_table_says_so() {
        let bench = Bench {
            case: "a".into(),
            threads: 2,
            tokens: 33,
            reference: false,
            parts: Vec::new(),
        };
        assert!(table(&bench).contains("--features record"));
    }
}
