//! Says what the reference's own example says, for `parity compare` to hold against it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use native::audio::Waveform;
use native::engine::{Engine, EngineOptions, Mode, Request};
use native::llm::{Sampler, Strategy};
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use serde::Deserialize;

/// Say the requests that `python -m cosyvoice_reference.example` has written down.
///
/// Writes native_voice_clone_I_J.wav for segment J of request I, beside the reference's
/// voice_clone_I_J.wav. `make example` runs both and compares them.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// Model directory, laid out like Fun-CosyVoice3-0.5B
    #[arg(long, value_name = "DIR")]
    model_dir: PathBuf,
    /// The requests, with their seeds: a JSON list
    #[arg(long, value_name = "FILE", default_value = "output/cases.json")]
    cases: PathBuf,
    /// Text rules other than the model directory's own
    #[arg(long, value_name = "DIR")]
    text_rules: Option<PathBuf>,
    /// Folder for the sounds
    #[arg(long, value_name = "DIR", default_value = "output")]
    out: PathBuf,
}

/// One request of the example, with the fields of a case.
#[derive(Deserialize)]
struct Case {
    name: String,
    mode: String,
    #[serde(default)]
    text: String,
    prompt_text: Option<String>,
    instruct: Option<String>,
    prompt_wav: PathBuf,
    source_wav: Option<PathBuf>,
    seed: u64,
}

impl Case {
    fn request(&self) -> anyhow::Result<Request> {
        let lacks = |what: &str| format!("{} is {} and has no {what}", self.name, self.mode);
        let mode = match &*self.mode {
            "zero-shot" => Mode::ZeroShot {
                prompt_text: self
                    .prompt_text
                    .clone()
                    .with_context(|| lacks("prompt_text"))?,
            },
            "cross-lingual" => Mode::CrossLingual,
            "instruct" => Mode::Instruct {
                instruct: self.instruct.clone().with_context(|| lacks("instruct"))?,
            },
            "vc" => Mode::VoiceConversion {
                source: Waveform::read(
                    self.source_wav
                        .as_deref()
                        .with_context(|| lacks("source_wav"))?,
                )?,
            },
            other => bail!("{}: there is no mode {other}", self.name),
        };
        Ok(Request {
            text: self.text.clone(),
            mode,
            speed: 1.0,
        })
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("native_example: {}", native::whole_story(e.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let cases = args.cases.display();
    let text = std::fs::read_to_string(&args.cases)
        .with_context(|| format!("{cases}: run `make example`, which writes it"))?;
    let cases: Vec<Case> = serde_json::from_str(&text).with_context(|| cases.to_string())?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let options = EngineOptions {
        text_rules: args.text_rules.clone(),
        ..EngineOptions::default()
    };
    let engine = Engine::load(&args.model_dir, &options)?;
    for (i, case) in cases.iter().enumerate() {
        say(&engine, i, case, &args.out).with_context(|| case.name.clone())?;
    }
    Ok(())
}

fn say(engine: &Engine, index: usize, case: &Case, out: &Path) -> anyhow::Result<()> {
    let request = case.request()?;
    let script = engine.script(&request)?;
    let voice = engine.voice(&Waveform::read(&case.prompt_wav)?, &mut NoTap)?;
    // The reference's environment is pinned to a torch that draws from MKL.
    let strategy = Strategy::Torch {
        seed: case.seed,
        multinomial: Multinomial::MklStream,
    };
    let mut sampler = Sampler::new(strategy, engine.llm.config().sampling);
    engine.synthesize(
        &request,
        &script,
        &voice,
        &mut sampler,
        &mut NoTap,
        |segment, speech| {
            let wave = Waveform {
                samples: speech.samples,
                sample_rate: Engine::SAMPLE_RATE,
            };
            let path = out.join(format!("native_voice_clone_{index}_{segment}.wav"));
            wave.write_f32(&path)?;
            println!("{}: {:.2} s", path.display(), wave.seconds());
            Ok(())
        },
    )?;
    Ok(())
}
