use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::record::NativeRecorder;
use parity::report::{samples_html, samples_table, trials_table};
use parity::samples::{
    Comparison, Drawing, Planted, PythonDrawing, Samples, Settings, Verdict, choose, compare, draw,
    python, trials,
};
use parity_atomic::Replacement;

use super::engine::{EngineArgs, case_bar};
use super::python_package::PythonPackageArg;
use super::shared::{CaseFileArgs, GoldenFault, keep_apart, say, say_json, write_page};

/// Draw the same texts with many seeds, and compare how two engines' draws are distributed.
///
/// For engines whose tokens cannot be equal: on a GPU, in low precision, or with a random generator
/// of their own. Only the language model runs. Lengths, what ends them, first tokens, repetitions,
/// silences, tokens and their ranks are tested for a difference, which finds faults; and the
/// engines are called equivalent only if tests of equivalence pass too, for that no difference is
/// found proves nothing. What the golden's own seeds say is compared token by token.
///
/// Exit status with --against: 0 equivalent, 2 different, 4 undecided: more --seeds are needed.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity sample --against golden/samples-voice-7\n  \
    parity sample --against golden/samples-voice-7 --precision q8 --html out/q8.html\n  \
    parity sample --out out/mine --seeds 500\n  \
    parity sample --against golden/samples-voice-7 --candidate out/mine\n  \
    parity sample --against golden/samples-voice-7 --planted top-p\n  \
    parity sample --engine python --python-env .env-reference --cosyvoice-root ../CosyVoice \\\n      \
    --out golden/samples-voice-7")]
pub struct SampleArgs {
    /// Samples of the reference, to hold these against
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Samples that are there already, in place of new ones
    #[arg(long, value_name = "DIR", requires = "against", conflicts_with_all = ["out", "planted", "seeds", "first_seed"])]
    candidate: Option<PathBuf>,
    /// Whose language model
    #[arg(long, value_enum, default_value = "native")]
    engine: SampledEngine,
    #[command(flatten)]
    native: EngineArgs,
    #[command(flatten)]
    python: PythonArgs,
    /// The cases, as for --cases of other commands; without --case some of every mode are chosen, or the
    /// golden's
    #[command(flatten)]
    cases: CaseFileArgs,
    /// How many texts are chosen
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    texts: u64,
    /// Seeds of each text [default: as many as the golden has, or 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: Option<u64>,
    /// The first seed [default: the one after the golden's last, or 1000000]
    #[arg(long, value_name = "SEED", value_parser = clap::value_parser!(u64).range(..4_000_000_000))]
    first_seed: Option<u64>,
    /// How many of the golden's own seeds are drawn too, to be compared token by token
    #[arg(long, value_name = "N", default_value_t = SAME_SEEDS)]
    same_seeds: usize,
    /// Draw with a mistake in the sampler, to see that it is caught: top-p, top-k, window, tau,
    /// temperature or unmasked, also with a number of your own, as in top-p=0.79
    #[arg(long, value_name = "MISTAKE")]
    planted: Option<Planted>,
    /// Compare parts of the samples so many times, and say how often they are called different: parts of
    /// the golden alone, which are false alarms, or with --candidate parts of both sides
    #[arg(long, value_name = "N", requires = "against", conflicts_with_all = ["out", "planted", "html"], value_parser = clap::value_parser!(u64).range(1..))]
    trials: Option<u64>,
    /// Draws of each text and side in each of --trials
    #[arg(long, value_name = "N", default_value_t = 100, requires = "trials", value_parser = clap::value_parser!(u64).range(2..))]
    draws: u64,
    /// Folder for the samples
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long, requires = "against")]
    json: bool,
    /// Write a page with the distributions over each other
    #[arg(long, value_name = "FILE", requires = "against")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SampledEngine {
    Native,
    Python,
}

/// The reference.
#[derive(Args, Debug)]
struct PythonArgs {
    /// With --engine python: an environment with CosyVoice's packages, or an interpreter
    #[arg(long, value_name = "DIR")]
    python_env: Option<PathBuf>,
    /// With --engine python: the CosyVoice checkout, with its submodules
    #[arg(long, value_name = "DIR", env = "COSYVOICE_ROOT")]
    cosyvoice_root: Option<PathBuf>,
    #[command(flatten)]
    package: PythonPackageArg,
}

/// Seeds of a golden, where none are named: beyond those of all cases.
const FIRST_SEED: u64 = 1_000_000;
/// Seeds of each text, where their number is not named.
const SEEDS: u64 = 200;

/// Runs `parity sample`.
pub fn run(args: &SampleArgs) -> anyhow::Result<Exit> {
    if args.against.is_none() && args.out.is_none() {
        bail!("name a golden with --against, or a folder for the samples with --out");
    }
    let golden = args.against.as_deref().map(Samples::read).transpose();
    let golden = golden.map_err(GoldenFault)?;
    if let (Some(count), Some(golden)) = (args.trials, &golden) {
        return repeat(args, golden, count);
    }
    let place = args
        .out
        .as_deref()
        .map(|out| reserve(args, out))
        .transpose()?;
    let samples = match &args.candidate {
        Some(dir) => Samples::read(dir)?,
        None => new(args, golden.as_ref())?,
    };
    if let Some(place) = place {
        let texts = samples.texts.len();
        let seeds = samples.manifest.seeds.len();
        samples.write(place)?;
        if !args.json {
            let out = args.out.clone().unwrap_or_default();
            say(&format!(
                "{}: {texts} texts, {seeds} seeds each\n",
                out.display()
            ))?;
        }
    }
    let Some(golden) = golden else {
        return Ok(Exit::Parity);
    };
    let comparison = compare(&golden, &samples, &Settings::default())?;
    if args.json {
        say_json(&comparison)?;
    } else {
        say(&samples_table(&comparison))?;
    }
    if let Some(page) = &args.html {
        let html = samples_html(&golden, &samples, &comparison).map_err(anyhow::Error::msg)?;
        write_page(page, &html)?;
        if !args.json {
            say(&format!("page: {}\n", page.display()))?;
        }
    }
    Ok(exit(&comparison))
}

/// Says how often parts of the samples are called different.
fn repeat(args: &SampleArgs, golden: &Samples, count: u64) -> anyhow::Result<Exit> {
    let candidate = args.candidate.as_deref().map(Samples::read).transpose()?;
    let settings = Settings::default();
    let found = match &candidate {
        Some(candidate) => {
            // Whether they are of the same texts in the same order.
            let all = compare(
                golden,
                candidate,
                &Settings {
                    permutations: 1,
                    ..settings.clone()
                },
            )?;
            if all.texts.len() != candidate.texts.len() || !all.missing.is_empty() {
                bail!("--trials needs the same texts on both sides, in the same order");
            }
            Some(candidate.texts.as_slice())
        }
        None => None,
    };
    let found = trials(
        &golden.texts,
        found,
        usize::try_from(args.draws)?,
        usize::try_from(count)?,
        &settings,
    );
    if args.json {
        say_json(&found)?;
    } else {
        say(&trials_table(&found))?;
    }
    Ok(Exit::Parity)
}

fn exit(comparison: &Comparison) -> Exit {
    match comparison.verdict {
        Verdict::Different => Exit::Failed,
        Verdict::Equivalent if comparison.missing.is_empty() => Exit::Parity,
        Verdict::Equivalent => Exit::Incomplete,
        Verdict::Undecided => Exit::NothingCompared,
    }
}

fn reserve(args: &SampleArgs, out: &Path) -> anyhow::Result<Replacement> {
    let mut inputs = vec![(
        "the model's directory",
        args.native.model.model_dir.as_path(),
    )];
    inputs.extend(args.against.as_deref().map(|dir| ("the golden", dir)));
    keep_apart("--out", out, &inputs)?;
    Ok(Samples::reserve(out)?)
}

/// Which seeds are drawn.
pub struct Seeds {
    /// The first; the one after the golden's last if it is not named.
    first: Option<u64>,
    /// How many; as many as the golden has if it is not named.
    count: Option<u64>,
    /// How many of the golden's own beside them.
    same: usize,
}

/// Of the golden's own seeds, where their number is not named.
const SAME_SEEDS: usize = 5;

impl Default for Seeds {
    fn default() -> Self {
        Self {
            first: None,
            count: None,
            same: SAME_SEEDS,
        }
    }
}

impl Seeds {
    fn range(&self, golden: Option<&Samples>) -> anyhow::Result<Range<u64>> {
        let seeds = golden.map(|golden| &golden.manifest.seeds);
        let last = seeds.and_then(|seeds| seeds.iter().max());
        let after = last.map(|last| last.saturating_add(1));
        let first = self.first.or(after).unwrap_or(FIRST_SEED);
        let count = seeds.map(|seeds| seeds.len() as u64);
        let count = self.count.or(count).unwrap_or(SEEDS);
        let end = first.checked_add(count);
        let end = end.context("--first-seed and --seeds go beyond the largest seed there is")?;
        Ok(first..end)
    }
}

/// Lets the native engine draw, those of the golden's own seeds too.
pub fn native(
    recorder: &mut NativeRecorder,
    cases: &CaseFile,
    golden: Option<&Samples>,
    (seeds, planted): (&Seeds, Option<Planted>),
    progress: impl FnMut(&str),
) -> anyhow::Result<Samples> {
    let mut drawn: Vec<u64> = seeds.range(golden)?.collect();
    let own = golden.into_iter().flat_map(|golden| &golden.manifest.seeds);
    let own = own.take(seeds.same).copied();
    let own: Vec<u64> = own.filter(|seed| !drawn.contains(seed)).collect();
    drawn.extend(own);
    let torch = golden.and_then(|golden| golden.manifest.libraries.get("torch"));
    recorder.match_torch(torch.map(String::as_str));
    let drawing = Drawing {
        cases,
        seeds: &drawn,
        planted,
    };
    Ok(draw(recorder, &drawing, progress)?)
}

/// Draws samples.
fn new(args: &SampleArgs, golden: Option<&Samples>) -> anyhow::Result<Samples> {
    let cases = cases(args, golden)?;
    let seeds = Seeds {
        first: args.first_seed,
        count: args.seeds,
        same: args.same_seeds,
    };
    let range = seeds.range(golden)?;
    let bar = case_bar(cases.cases.len())?;
    bar.set_message("loading the model");
    let progress = |name: &str| {
        bar.inc(1);
        bar.set_message(name.to_owned());
    };
    let samples = match args.engine {
        SampledEngine::Native => {
            let mut recorder: NativeRecorder = args.native.load()?;
            native(
                &mut recorder,
                &cases,
                golden,
                (&seeds, args.planted),
                progress,
            )?
        }
        SampledEngine::Python => {
            if args.planted.is_some() {
                bail!("--planted is for the native engine: the reference is never changed");
            }
            let python_args = &args.python;
            let drawing = PythonDrawing {
                env: python_args
                    .python_env
                    .clone()
                    .context("--engine python needs --python-env")?,
                root: python_args
                    .cosyvoice_root
                    .clone()
                    .context("--engine python needs --cosyvoice-root")?,
                package: python_args.package.find()?,
                file: args.cases.cases.clone(),
                cases: &cases,
                first_seed: range.start,
                seeds: usize::try_from(range.end - range.start)?,
            };
            python(&drawing, &args.native.model.open()?, progress)?
        }
    };
    bar.finish_and_clear();
    Ok(samples)
}

/// The cases that were named, those of the golden, or some of every mode.
fn cases(args: &SampleArgs, golden: Option<&Samples>) -> anyhow::Result<CaseFile> {
    if !args.cases.all() {
        return args.cases.load();
    }
    let chosen = match golden {
        Some(golden) => golden_cases(&args.cases.cases, golden)?,
        None => choose(
            CaseFile::load(&args.cases.cases)?,
            usize::try_from(args.texts)?,
        ),
    };
    if chosen.cases.is_empty() {
        bail!(
            "{}: no case of it can be drawn many times: they are conversions, streams, texts in pieces, \
             or have weights of their own",
            args.cases.cases.display()
        );
    }
    Ok(chosen)
}

/// The cases of samples, in their order, from the file that they were taken from.
pub fn golden_cases(file: &Path, golden: &Samples) -> anyhow::Result<CaseFile> {
    let names = golden.manifest.cases.iter();
    let names: Vec<_> = names.map(|case| case.case.name.clone()).collect();
    let mut chosen = CaseFile::load(file)?
        .select(&names)
        .context("name the file of the samples' cases with --cases")?;
    // They are selected in the order of their file.
    chosen
        .cases
        .sort_by_key(|case| names.iter().position(|name| *name == case.name));
    Ok(chosen)
}
