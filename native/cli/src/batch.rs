use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use native::audio::Waveform;
use native::engine::{Engine, Request, Script, check_end_of_prompt};
use native::model_dir::ModelDir;
use native::text::TextFrontend;
use serde::Deserialize;

use crate::interrupt;
use crate::is_closed_pipe;
use crate::mode::ModeOptions;
use crate::options::ModelOptions;

/// Say a list of requests into a folder, such as those of the reference's own example.
///
/// Writes native_voice_clone_I_J.wav for segment J of request I, beside the reference's
/// voice_clone_I_J.wav. `make example` runs both engines and compares their sounds. All requests are
/// looked at before the first is said. One that fails does not keep the others from being said, but
/// the exit status is 1.
#[derive(ClapArgs)]
pub struct Args {
    #[command(flatten)]
    model: ModelOptions,
    /// The requests, with their seeds: a JSON list
    #[arg(long, value_name = "FILE", default_value = "output/cases.json")]
    cases: PathBuf,
    /// Folder for the sounds
    #[arg(long, value_name = "DIR", default_value = "output")]
    out: PathBuf,
}

/// One request, with the fields of a parity case.
#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    mode: ModeOptions,
    #[serde(default)]
    text: String,
    prompt_wav: PathBuf,
    seed: u64,
}

impl Case {
    /// Refuses what cannot be said, as far as that can be known without the networks.
    fn check(&self, model: &ModelDir, frontend: &TextFrontend) -> anyhow::Result<()> {
        let (mode, text) = (self.mode.mode(false)?, self.text.as_str().into());
        check_end_of_prompt(&mode, &text, &model.family().end_of_prompt)?;
        let script = Script::new(frontend, &mode, &text, None)?;
        let cautions = script.cautions(&mode, &model.family().end_of_prompt);
        for warning in script.warnings.iter().chain(&cautions) {
            eprintln!("warning: {}: {warning}", self.name);
        }
        Waveform::read(&self.prompt_wav)?;
        Ok(())
    }

    fn request(&self, engine: &Engine) -> anyhow::Result<Request> {
        let voice = engine.voice(&Waveform::read(&self.prompt_wav)?)?;
        Ok(Request::new(self.mode.mode(false)?, self.text.as_str(), voice).seed(self.seed))
    }
}

impl Args {
    pub fn run(&self) -> anyhow::Result<()> {
        let cases = self.cases.display();
        let text = std::fs::read_to_string(&self.cases)
            .with_context(|| format!("{cases}: run `make example`, which writes it"))?;
        let cases: Vec<Case> = serde_json::from_str(&text).with_context(|| cases.to_string())?;
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let builder = self.model.builder()?;
        let model = self.model.dir.open()?;
        let frontend = builder.load_text_frontend()?;
        for case in &cases {
            let checked = case.check(&model, &frontend);
            checked.with_context(|| case.name.clone())?;
        }
        let engine = builder.text_frontend(frontend).build()?;
        let mut failed = 0;
        for (i, case) in cases.iter().enumerate() {
            if let Err(error) = say(&engine, i, case, &self.out) {
                if is_closed_pipe(&error) {
                    return Err(error);
                }
                failed += 1;
                let error = native::error_chain(error.as_ref());
                eprintln!("native: {}: {error}", case.name);
            }
        }
        if failed > 0 {
            bail!(
                "{failed} of {} requests failed; the others were said",
                cases.len()
            );
        }
        Ok(())
    }
}

fn say(engine: &Engine, index: usize, case: &Case, out: &Path) -> anyhow::Result<()> {
    for chunk in engine.speak(&case.request(engine)?)? {
        let chunk = chunk?;
        let wave = Waveform {
            samples: chunk.samples,
            sample_rate: Engine::SAMPLE_RATE,
        };
        let path = out.join(format!("native_voice_clone_{index}_{}.wav", chunk.segment));
        {
            let _whole = interrupt::hold();
            wave.write_f32(&path)?;
        }
        writeln!(
            std::io::stdout(),
            "{}: {:.2} s",
            path.display(),
            wave.seconds()
        )?;
    }
    Ok(())
}
