use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use native::precision::{Precision, Precisions};
use parity::bench::{
    self, Bench, CaseBench, EngineBench, FlowFormat, Machine, Said, Work, Worker, serve, table,
};
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::record::Timing;

use super::engine::EngineArgs;
use super::shared::{DEFAULT_CASES, say, say_json};

/// Time the reference and the native engine side by side, part by part.
///
/// Every engine and precision says the cases in turns, each in a process of its own and on the same
/// number of threads. The table shows the quickest run of each, which other work on the machine
/// disturbs least, and beside it what the machine can do at most: how fast it reads memory, which
/// bounds the language model, and how fast it multiplies, which bounds the flow. Without a build with
/// --features record there is no reference, and only the native engine is timed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity bench --case english-short --also bf16 --also q8 --also q4\n  \
    parity bench --model-dir ../Fun-CosyVoice3-0.5B --cosyvoice-root ../CosyVoice --repeats 5 \
    --json")]
pub struct BenchArgs {
    #[command(flatten)]
    native: EngineArgs,
    #[cfg(feature = "record")]
    #[command(flatten)]
    reference: super::record_python::ReferenceLocation,
    /// Another precision of the native engine, beside --precision; may be given several times
    #[arg(long, value_name = "PRECISION")]
    also: Vec<Precisions>,
    /// The cases
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CASES)]
    cases: PathBuf,
    /// A case to say, one with a text; may be given several times (default: the first)
    #[arg(long = "case", value_name = "NAME")]
    names: Vec<String>,
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
    /// Serve one engine to the process that started this one
    #[arg(long, value_name = "ENGINE", hide = true)]
    worker: Option<String>,
}

/// Speech tokens in a second of sound.
const TOKENS_PER_SECOND: f64 = 25.0;
/// How the reference's process is told what it is.
const REFERENCE: &str = "reference";

/// Runs `parity bench`.
pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    let mut cases = CaseFile::load(&args.cases)?.select(&args.names)?;
    if args.names.is_empty() {
        cases.cases.truncate(1);
    }
    ensure!(!cases.cases.is_empty(), "there are no cases");
    for case in &cases.cases {
        ensure!(
            !case.is_conversion() && !case.stream,
            "case \"{}\" has no text or is streamed: choose another one with --case",
            case.name
        );
    }
    let threads = match args.threads {
        Some(threads) => threads as usize,
        None => std::thread::available_parallelism()?.get(),
    };
    if let Some(engine) = &args.worker {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()?;
        return work(args, engine, &cases, threads);
    }
    let bench = compare(args, &cases, threads)?;
    if args.json {
        say_json(&bench)?;
    } else {
        say(&table(&bench))?;
        if bench.engines.iter().all(|engine| engine.name != REFERENCE) {
            let why = "the reference was not timed";
            match cfg!(feature = "record") {
                true => eprintln!("parity: {why}, as --native-only says"),
                false => eprintln!("parity: {why}: that needs a build with --features record"),
            }
        }
    }
    Ok(Exit::Parity)
}

/// Has every engine say every case in turns.
fn compare(args: &BenchArgs, cases: &CaseFile, threads: usize) -> anyhow::Result<Bench> {
    eprintln!("measuring what the machine can do");
    let machine = Machine::measure(threads);
    let mut names = Vec::new();
    if cfg!(feature = "record") && !args.native_only {
        names.push(REFERENCE.to_owned());
    }
    let precisions = std::iter::once(&args.native.precision).chain(&args.also);
    names.extend(precisions.map(Precisions::to_string));
    let mut engines = Vec::new();
    for name in &names {
        eprintln!("loading {}", shown(name));
        engines.push(start(name)?);
    }
    for case in &cases.cases {
        for run in 1..=args.repeats {
            eprintln!("{}: run {run} of {}", case.name, args.repeats);
            for engine in &mut engines {
                engine.time(&case.name)?;
            }
        }
    }
    let exact = |engine: &&Started| {
        let name = &engine.worker.name;
        name == REFERENCE || *name == Precision::F32.name()
    };
    let mut exact = engines.iter().filter(exact);
    if let Some(first) = exact.next()
        && let Some(other) = exact.find(|other| other.tokens != first.tokens)
    {
        bail!(
            "{} and {} did not say the same, so their times cannot be compared: see `parity \
             report`",
            shown(&first.worker.name),
            shown(&other.worker.name)
        );
    }
    Ok(Bench {
        version: bench::VERSION,
        machine,
        threads,
        engines: engines
            .into_iter()
            .map(Started::finish)
            .collect::<anyhow::Result<_>>()?,
    })
}

fn shown(name: &str) -> String {
    match name {
        REFERENCE => "the reference".into(),
        precision => format!("native {precision}"),
    }
}

/// An engine's process, and what it said so far.
struct Started {
    worker: Worker,
    load: f64,
    work: Option<Work>,
    cases: Vec<CaseBench>,
    /// The tokens of every case.
    tokens: Vec<Vec<Vec<i64>>>,
}

/// This program once more, as the process of one engine.
fn start(name: &str) -> anyhow::Result<Started> {
    let program = std::env::current_exe().context("this program's own path")?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    command.args(["--worker", name]);
    let mut worker = Worker::start(name, &mut command).map_err(anyhow::Error::msg)?;
    match worker.hear().map_err(anyhow::Error::msg)? {
        Said::Loaded { seconds, work } => Ok(Started {
            worker,
            load: seconds,
            work,
            cases: Vec::new(),
            tokens: Vec::new(),
        }),
        other => bail!("the process of {} said {other:?}", shown(name)),
    }
}

impl Started {
    fn time(&mut self, case: &str) -> anyhow::Result<()> {
        let timing = self.worker.time(case).map_err(anyhow::Error::msg)?;
        if self.cases.last().is_none_or(|last| last.name != case) {
            let tokens = timing.tokens.iter().map(Vec::len).sum();
            self.cases.push(CaseBench {
                name: case.to_owned(),
                tokens,
                sound: tokens as f64 / TOKENS_PER_SECOND,
                flow_operations: timing.flow_operations,
                seconds: std::collections::BTreeMap::new(),
            });
            self.tokens.push(timing.tokens);
        }
        if let Some(last) = self.cases.last_mut() {
            for (part, seconds) in timing.seconds {
                last.seconds.entry(part).or_default().push(seconds);
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<EngineBench> {
        let name = match self.worker.name.as_str() {
            REFERENCE => REFERENCE.to_owned(),
            precision => format!("native {precision}"),
        };
        Ok(EngineBench {
            name,
            load: self.load,
            peak_memory: self.worker.end().map_err(anyhow::Error::msg)?,
            work: self.work,
            cases: self.cases,
        })
    }
}

/// Serves one engine.
fn work(args: &BenchArgs, engine: &str, cases: &CaseFile, threads: usize) -> anyhow::Result<Exit> {
    let begin = Instant::now();
    let (work, mut say_case) = match engine {
        REFERENCE => (None, reference(args, threads)?),
        precision => {
            let precisions: Precisions = precision.parse().map_err(anyhow::Error::msg)?;
            let engine = args.native.builder()?.precision(precisions).build()?;
            let work = Work {
                bytes_per_token: engine.llm().bytes_per_token(),
                flow_format: match precisions.flow {
                    Precision::Q8 => FlowFormat::Int8,
                    Precision::Bf16 | Precision::F16 => FlowFormat::Bf16,
                    _ => FlowFormat::F32,
                },
            };
            let say: SayCase =
                Box::new(move |case, file| Ok(parity::record::time(&engine, case, file)?));
            (Some(work), say)
        }
    };
    let loaded = Said::Loaded {
        seconds: begin.elapsed().as_secs_f64(),
        work,
    };
    serve(loaded, |name| {
        let case = cases.cases.iter().find(|case| case.name == name);
        let case = case.ok_or_else(|| format!("there is no case {name:?}"))?;
        say_case(case, cases).map_err(|e| native::error_chain(e.as_ref()))
    })?;
    Ok(Exit::Parity)
}

/// Says a case and measures how long each part takes.
type SayCase = Box<dyn FnMut(&parity::case::Case, &CaseFile) -> anyhow::Result<Timing>>;

#[cfg(feature = "record")]
fn reference(args: &BenchArgs, threads: usize) -> anyhow::Result<SayCase> {
    use parity::record::python::{Options, PythonEngine};

    let options = Options {
        threads,
        ..args.reference.options(&args.native)?
    };
    let engine = PythonEngine::load(&options)?;
    Ok(Box::new(move |case, file| {
        let begin = Instant::now();
        let mut timing = engine.time(case, file)?;
        let whole = begin.elapsed().as_secs_f64();
        timing.seconds.insert("end to end".into(), whole);
        Ok(timing)
    }))
}

#[cfg(not(feature = "record"))]
fn reference(_: &BenchArgs, _: usize) -> anyhow::Result<SayCase> {
    bail!("the reference was not timed: that needs a build with --features record")
}
