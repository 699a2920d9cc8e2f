use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use native::model_dir::LmWeights;
use parity::case::CaseFile;
use parity::judge::{Pins, misfits};
use parity::layers::Network;
use parity::record::describe_model;
use parity::record::python::{LogitRows, Options, Progress, PythonEngine};
use parity::recording::{RecordedCase, RunShard, Writer};
use parity_atomic::Replacement;

use super::engine::EngineArgs;
use super::python_package::PythonPackageArg;
use super::share::{ShareArgs, hash_of_files};

/// Where the Python reference is.
#[derive(Args, Debug)]
pub struct ReferenceLocation {
    /// The CosyVoice checkout, with its submodules
    #[arg(long, value_name = "DIR", env = "COSYVOICE_ROOT")]
    pub cosyvoice_root: Option<PathBuf>,
    /// The environment with the reference's packages (default: the one that is active)
    #[arg(long, value_name = "DIR", env = "VIRTUAL_ENV")]
    pub python_env: Option<PathBuf>,
    #[command(flatten)]
    pub package: PythonPackageArg,
}

/// [`ReferenceLocation`], resolved: absolute paths.
pub struct ReferencePaths {
    pub root: PathBuf,
    pub env: PathBuf,
    pub package: PathBuf,
}

/// What only the Python reference needs, beside what every engine does.
#[derive(Args, Debug)]
pub struct PythonArgs {
    #[command(flatten)]
    location: ReferenceLocation,
    /// Threads of torch; sums over several are not the same numbers as over one
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Record even with a reference that the limits are not pinned to
    #[arg(long)]
    pub anyway: bool,
    /// Keep the logits of every step, not only some
    #[arg(long)]
    pub all_logits: bool,
    /// Record the layers of these networks too, for `parity report --layers`
    #[arg(
        long,
        alias = "deep",
        value_name = "llm,flow,vocoder",
        value_delimiter = ','
    )]
    pub layers: Vec<Network>,
}

/// The environment that `python_ref/README.md` has made, where none is named or active.
const DEFAULT_ENV: &str = ".env-reference";

impl ReferenceLocation {
    /// Where the reference is, or what to pass.
    pub fn resolve(&self) -> anyhow::Result<ReferencePaths> {
        let root = self.cosyvoice_root.clone().context(
            "where is the reference? Pass --cosyvoice-root, or set COSYVOICE_ROOT, to a checkout \
             of https://github.com/FunAudioLLM/CosyVoice",
        )?;
        Ok(ReferencePaths {
            root: std::path::absolute(root)?,
            env: std::path::absolute(self.python_env.as_deref().unwrap_or(DEFAULT_ENV.as_ref()))?,
            package: self.package.find()?,
        })
    }

    /// How to load the reference with a model, on one thread and with nothing kept but the usual.
    pub fn options(&self, engine: &EngineArgs) -> anyhow::Result<Options> {
        let choice = engine.lm_weights.unwrap_or(LmWeights::Base);
        if !matches!(choice, LmWeights::Base | LmWeights::Rl) {
            bail!("the reference reads its language model from llm.pt or llm.rl.pt only");
        }
        let weights = engine.model.open()?.lm_weights(choice)?;
        let lm_weights = weights.file_name().unwrap_or_default().to_string_lossy();
        let ReferencePaths { root, env, package } = self.resolve()?;
        Ok(Options {
            root,
            model_dir: std::path::absolute(&engine.model.model_dir)?,
            lm_weights: lm_weights.into_owned(),
            env,
            package,
            threads: 1,
            logit_rows: LogitRows::Some,
            layers: Vec::new(),
        })
    }
}

impl PythonArgs {
    fn resolve(&self, engine: &EngineArgs) -> anyhow::Result<Options> {
        Ok(Options {
            threads: self.threads,
            logit_rows: if self.all_logits {
                LogitRows::All
            } else {
                LogitRows::Some
            },
            layers: self.layers.clone(),
            ..self.location.options(engine)?
        })
    }
}

/// Which part of a run is recorded, and where finished cases are kept.
pub struct Share<'a> {
    /// What was asked for.
    pub args: &'a ShareArgs,
    /// The part.
    pub shard: Option<RunShard>,
    /// What the command reads.
    pub inputs: &'a [(&'a str, &'a Path)],
}

/// Records the cases of `cases` with the Python reference in `place`, but does not publish them.
pub fn run(
    args: &PythonArgs,
    engine: &EngineArgs,
    pins: &Pins,
    cases: &CaseFile,
    share: Share<'_>,
    place: Replacement,
) -> anyhow::Result<Replacement> {
    let options = args.resolve(engine)?;
    let bar = ProgressBar::new(cases.cases.len() as u64).with_style(ProgressStyle::with_template(
        "[{bar:20}] {pos}/{len}  {msg}",
    )?);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("loading the reference");
    let model = describe_model(&engine.model.open()?)?;
    let engine = PythonEngine::load(&options)?;
    let mut manifest = engine.manifest(model)?;
    manifest.shard = share.shard;
    let misfits = misfits(&manifest, pins);
    if !misfits.is_empty() && !args.anyway {
        bail!(
            "nothing was recorded: {}. A golden of it would be stale: use the pinned environment \
             (`make reference-env`), add the versions under [reference] in tolerances.toml, or \
             pass --anyway",
            misfits.join("; ")
        );
    }
    let kept = match &share.args.keep {
        Some(_) => {
            let settings = format!(
                "{} threads, {:?}, {:?}",
                options.threads, options.logit_rows, options.layers
            );
            let taps = hash_of_files(&options.package.join("cosyvoice_reference"))?;
            share.args.kept(share.inputs, &[&settings, &taps])?
        }
        None => None,
    };
    let mut writer = Writer::within(place, manifest.clone());
    for case in &cases.cases {
        bar.set_message(case.name.clone());
        let recorded = RecordedCase::of(case, cases)?;
        let (shown, name) = (bar.clone(), case.name.clone());
        let progress: Progress =
            Arc::new(move |part, done| shown.set_message(format!("{name}: {part} {done}")));
        let found = kept
            .as_ref()
            .and_then(|kept| kept.find(&manifest, &recorded));
        let (record, seconds) = match found {
            Some(found) => (found.record, found.seconds),
            None => {
                let (record, seconds) = engine.record(case, cases, &progress)?;
                if let Some(kept) = &kept {
                    kept.keep(&manifest, &record, &seconds)?;
                }
                (record, seconds)
            }
        };
        writer.case(&record)?;
        for (part, spent) in seconds {
            *writer.manifest_mut().seconds.entry(part).or_default() += spent;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(writer.seal()?)
}
