use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use parity::case::CaseFile;
use parity::certificate::{Processor, certify};
use parity::judge::{Evaluation, Tolerances};
use parity::layers::LayerReport;
use parity::recording::{self, Reader, Recording};
use parity::report::{
    self, Detail, HISTORY, PastRun, Report, Rest, Trend, add_to_history, read_history,
};
use parity_atomic::Lock;

/// The golden cannot be used, which has an exit status of its own.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct GoldenFault(#[from] pub recording::Error);

/// Opens a golden, or says what is wrong with it.
pub fn open_golden(dir: &Path) -> Result<Reader, GoldenFault> {
    Ok(Reader::open(dir)?)
}

/// Reads a whole golden.
pub fn read_golden(dir: &Path) -> Result<Recording, GoldenFault> {
    Ok(Recording::read_golden(dir)?)
}

/// Where the limits are.
#[derive(clap::Args, Debug)]
pub struct TolerancesArg {
    /// The limits; by default tolerances.toml beside the golden, or golden/tolerances.toml
    #[arg(long, value_name = "FILE")]
    tolerances: Option<PathBuf>,
}

impl TolerancesArg {
    /// The file that was named, if one was.
    pub fn given(&self) -> Option<&Path> {
        self.tolerances.as_deref()
    }

    /// Reads the limits for a golden in `golden`.
    pub fn load(&self, golden: &Path) -> anyhow::Result<Tolerances> {
        let path = self
            .find(golden)
            .context("there is no tolerances.toml beside the golden; name one with --tolerances")?;
        Ok(Tolerances::load(path)?)
    }

    /// The file that was named, or the one beside `golden`, or the usual one.
    pub fn find(&self, golden: &Path) -> Option<PathBuf> {
        let beside = golden.parent().map(|parent| parent.join("tolerances.toml"));
        let usual = PathBuf::from("golden/tolerances.toml");
        let mut usual = [beside, Some(usual)].into_iter().flatten();
        let named = self.tolerances.clone();
        named.or_else(|| usual.find(|p| p.is_file()))
    }
}

/// The model that is meant when none is named, the one of this repository that speaks.
pub const DEFAULT_MODEL: &str = "out/voice-7";
/// What the reference recorded with it.
pub const DEFAULT_GOLDEN: &str = "golden/voice-7";
/// The cases of that recording.
pub const DEFAULT_CASES: &str = "golden/voice.toml";

/// A file of cases, or some of it.
#[derive(clap::Args, Debug)]
pub struct CaseFileArgs {
    /// The cases
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CASES)]
    pub cases: PathBuf,
    /// Only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    pub names: Vec<String>,
}

impl CaseFileArgs {
    /// Reads the cases that are wanted.
    pub fn load(&self) -> anyhow::Result<CaseFile> {
        Ok(CaseFile::load(&self.cases)?.select(&self.names)?)
    }

    /// Whether all are wanted.
    pub fn all(&self) -> bool {
        self.names.is_empty()
    }
}

/// How much of a report is printed.
#[derive(clap::Args, Debug)]
pub struct DetailArgs {
    /// Print the verdict and the failures only
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Print every case's stages and every failure
    #[arg(long, short)]
    verbose: bool,
    /// Print the report as JSON, without its sounds and pictures
    #[arg(long, conflicts_with_all = ["quiet", "verbose"])]
    pub json: bool,
}

impl DetailArgs {
    /// What was asked for.
    pub fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        }
    }

    /// Prints the report, as it was asked for; `rest` says where there is more.
    pub fn print(&self, report: &Report, rest: Rest<'_>) -> anyhow::Result<()> {
        if !self.json {
            return say(&report::table(report, self.detail(), rest));
        }
        let mut report = report.clone();
        for case in &mut report.cases {
            case.sound = None;
            case.aligned_sound = None;
            case.mels.clear();
            case.f0.clear();
        }
        say_json(&report)
    }

    /// Prints how the layers of the networks compare; a report as JSON has them in it.
    pub fn print_layers(&self, layers: Option<&LayerReport>) -> anyhow::Result<()> {
        match layers {
            Some(layers) if !self.json => say(&report::layers_table(layers)),
            _ => Ok(()),
        }
    }
}

/// Where a report goes if no folder is named.
pub const DEFAULT_REPORT: &str = "out/report";

/// What becomes of a report.
#[derive(clap::Args, Debug)]
pub struct OutputArgs {
    /// Folder for index.html, report.json and junit.xml
    #[arg(long, value_name = "DIR", default_value = DEFAULT_REPORT)]
    pub out: PathBuf,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
    /// An earlier report.json: shows what became better or worse since
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// The results of all runs, to which this one is added [default: history.jsonl in --out]
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Neither show earlier runs nor add this one to them
    #[arg(long, conflicts_with = "history")]
    no_history: bool,
    #[command(flatten)]
    pub detail: DetailArgs,
}

impl OutputArgs {
    /// Reads the earlier report, if there is one: before anything is computed.
    pub fn earlier(&self) -> anyhow::Result<Option<Report>> {
        Ok(self.baseline.as_deref().map(report::read).transpose()?)
    }

    /// Takes the folder for this process alone, before anything is computed. `inputs` are what the
    /// command reads, with what they are.
    pub fn claim(&self, inputs: &[(&str, &Path)]) -> anyhow::Result<Lock> {
        keep_apart("--out", &self.out, inputs)?;
        if self.out.is_symlink() && !self.out.exists() {
            let path = self.out.clone();
            return Err(parity_atomic::Error::Dangling { path }.into());
        }
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        Ok(Lock::inside(&self.out)?)
    }

    /// Writes the report, prints its table, or `instead` if there is something, and tells GitHub where
    /// it runs.
    pub fn publish(
        &self,
        report: &mut Report,
        earlier: Option<&Report>,
        instead: Option<&str>,
    ) -> anyhow::Result<()> {
        report.trend = earlier.map(|earlier| Trend::of(earlier, report));
        let past = self.past(report);
        if let Some((_, _, past)) = &past {
            report.history.clone_from(past);
        }
        report::write(report, &self.out)?;
        if let Some((file, run, _)) = &past {
            add_to_history(file, run).unwrap_or_else(|e| eprintln!("{e}"));
        }
        let page = self.out.join("index.html");
        if let Some(text) = instead {
            say(text)?;
        } else {
            self.detail.print(report, Rest::Page(&page))?;
        }
        if !self.detail.json && instead.is_none() {
            if self.detail.detail() != Detail::Quiet {
                say(&format!("report: {}\n", page.display()))?;
            }
            tell_github(report)?;
        }
        if self.open {
            open::that_detached(&page)
                .with_context(|| format!("cannot open {}", page.display()))?;
        }
        Ok(())
    }
}

impl OutputArgs {
    /// The file of all runs, what this one adds to it, and those before it. What is wrong with the
    /// file costs no report.
    fn past(&self, report: &Report) -> Option<(PathBuf, PastRun, Vec<PastRun>)> {
        let run = PastRun::of(report).filter(|_| !self.no_history)?;
        let usual = || self.out.join(HISTORY);
        let file = self.history.clone().unwrap_or_else(usual);
        let past = read_history(&file, &run)
            .inspect_err(|e| eprintln!("{e}"))
            .ok()?;
        for line in &past.unreadable {
            let file = file.display();
            eprintln!("{file}: line {line} is damaged or of another version, and left out");
        }
        Some((file, run, past.runs))
    }
}

/// The values of both sides, for other tools.
#[derive(clap::Args, Debug)]
pub struct TensorsArg {
    /// Also write every tensor of both sides beside the page, as .npy files that it has links to
    #[arg(long)]
    tensors: bool,
}

impl TensorsArg {
    /// Writes them into `out`, if they are wanted.
    pub fn write(
        &self,
        report: &mut Report,
        evaluation: &Evaluation<'_>,
        out: &Path,
    ) -> anyhow::Result<()> {
        match self.tensors {
            true => Ok(report::write_tensors(report, evaluation, out)?),
            false => Ok(()),
        }
    }
}

/// The certificate of a run.
#[derive(clap::Args, Debug)]
pub struct CertificateArg {
    /// Also write a certificate: a small JSON file that says how many tokens, how far the logits and how
    /// far the worst half second of the sound are from the reference's. `-` prints it in place of the
    /// table
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

impl CertificateArg {
    /// Writes it, if it is wanted, or returns it as text to be printed. `here` says whether the
    /// candidate computed on this machine.
    pub fn write(
        &self,
        report: &Report,
        evaluation: &Evaluation<'_>,
        here: bool,
    ) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.certificate else {
            return Ok(None);
        };
        let processor = here.then(Processor::detect);
        let certificate = certify(report, evaluation, processor)?;
        let text = serde_json::to_string_pretty(&certificate)? + "\n";
        if path == Path::new("-") {
            return Ok(Some(text));
        }
        parity_atomic::write_file(path, text.as_bytes())?;
        Ok(None)
    }
}

/// Refuses to write into what the command reads, or around it: a recording or a report would
/// replace files there. `out` was given with `flag`; `inputs` are folders, with what they are.
pub fn keep_apart(flag: &str, out: &Path, inputs: &[(&str, &Path)]) -> anyhow::Result<()> {
    let place = real(out)?;
    for (what, input) in inputs {
        let folder = real(input)?;
        let how = if place == folder {
            "is"
        } else if place.starts_with(&folder) {
            "lies inside"
        } else if folder.starts_with(&place) {
            "contains"
        } else {
            continue;
        };
        bail!(
            "{flag} {} {how} {what} ({}), which this command reads and must not change: choose a \
             folder of its own",
            out.display(),
            input.display()
        );
    }
    Ok(())
}

/// Where `path` leads, with the links of that part of it that exists.
pub fn real(path: &Path) -> anyhow::Result<PathBuf> {
    let whole = std::path::absolute(path).with_context(|| path.display().to_string())?;
    let found = whole.ancestors().find_map(|part| {
        let rest = whole.strip_prefix(part).ok()?;
        // Joining nothing would add a slash.
        let real = part.canonicalize().ok()?;
        Some(rest.components().fold(real, |real, name| real.join(name)))
    });
    Ok(found.unwrap_or(whole))
}

/// Annotations and a summary, where GitHub runs this: it sets these variables, and has no other
/// way to be told.
fn tell_github(report: &Report) -> anyhow::Result<()> {
    if std::env::var_os("GITHUB_ACTIONS").is_none() {
        return Ok(());
    }
    say(&report::annotations(report))?;
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        return Ok(());
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path);
    file.and_then(|mut f| f.write_all(report::step_summary(report).as_bytes()))
        .with_context(|| path.display().to_string())
}

/// Prints to standard output, with colours only where they are seen. Whoever reads may stop.
pub fn say(text: &str) -> anyhow::Result<()> {
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("standard output"),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a page, and the folder that it goes into.
pub fn write_page(path: &Path, page: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(parity_atomic::write_file(path, page.as_bytes())?)
}
