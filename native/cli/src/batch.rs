use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args as ClapArgs;
use native::audio::Waveform;
use native::engine::{Engine, Request};
use serde::Deserialize;

use crate::mode::ModeOptions;
use crate::options::ModelOptions;

/// Say a list of requests into a folder, such as those of the reference's own example.
///
/// Writes native_voice_clone_I_J.wav for segment J of request I, beside the reference's
/// voice_clone_I_J.wav. `make example` runs both engines and compares their sounds.
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
        let engine = self.model.builder()?.build()?;
        for (i, case) in cases.iter().enumerate() {
            say(&engine, i, case, &self.out).with_context(|| case.name.clone())?;
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
        wave.write_f32(&path)?;
        println!("{}: {:.2} s", path.display(), wave.seconds());
    }
    Ok(())
}
