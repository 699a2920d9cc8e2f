use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, ValueEnum};
use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script, Segment};
use native::llm::{Sampler, Strategy};
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use serde_json::json;

use super::options::ModelOptions;

/// Say a text in the voice of a recording.
///
/// Example: native synth --model-dir out/tiny-7 --text "Hello there." --prompt-wav me.wav
/// --prompt-text "You are a helpful assistant.<|endofprompt|>What I say in me.wav." -o hello.wav
///
/// CosyVoice3 needs <|endofprompt|> in the prompt's text (zero-shot), in the text
/// (cross-lingual) or in the instruction (instruct).
#[derive(ClapArgs)]
pub struct Args {
    #[command(flatten)]
    model: ModelOptions,
    /// The text to say; - reads standard input
    #[arg(long, required_unless_present = "source_wav")]
    text: Option<String>,
    /// Recording of the voice, at most 30 s, 16 kHz or more
    #[arg(long, value_name = "WAV")]
    prompt_wav: PathBuf,
    /// What is said in the recording (zero-shot)
    #[arg(long)]
    prompt_text: Option<String>,
    /// How text and voice are combined
    #[arg(long, value_enum, default_value_t = ModeName::ZeroShot)]
    mode: ModeName,
    /// How to speak (instruct)
    #[arg(long)]
    instruct: Option<String>,
    /// Recording whose words are kept (vc)
    #[arg(long, value_name = "WAV")]
    source_wav: Option<PathBuf>,
    /// Seed of the sampling; the same seed says the same as PyTorch does
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Which PyTorch the seed belongs to
    #[arg(long, value_enum, default_value_t = TorchDraws::V23)]
    torch_draws: TorchDraws,
    /// Playback speed
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The sound file to write, 24 kHz float
    #[arg(short, long, value_name = "WAV")]
    output: PathBuf,
    /// Print what was done as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeName {
    ZeroShot,
    CrossLingual,
    Instruct,
    Vc,
}

#[derive(Clone, Copy, ValueEnum)]
enum TorchDraws {
    /// torch 2.3 wheels for x86-64
    #[value(name = "2.3")]
    V23,
    /// Newer wheels, and builds without MKL
    New,
}

impl Args {
    pub fn run(self) -> anyhow::Result<()> {
        let request = self.request()?;
        let prompt_wav = Waveform::read(&self.prompt_wav)?;
        let started = Instant::now();
        let engine = Engine::load(&self.model.model_dir, &self.model.engine()?)?;
        let load = started.elapsed().as_secs_f64();
        let script = engine.script(&request)?;
        for warning in &script.warnings {
            eprintln!("warning: {warning}");
        }
        let started = Instant::now();
        let voice = engine
            .voice(&prompt_wav, &mut NoTap)
            .with_context(|| self.prompt_wav.display().to_string())?;
        let prompt = started.elapsed().as_secs_f64();

        let draws = match self.torch_draws {
            TorchDraws::V23 => Multinomial::MklStream,
            TorchDraws::New => Multinomial::TwoDraws,
        };
        let strategy = Strategy::Torch {
            seed: self.seed,
            multinomial: draws,
        };
        let mut sampler = Sampler::new(strategy, engine.llm.config().sampling);
        let progress = std::io::stderr().is_terminal() && !self.json;
        let mut segments = Vec::new();
        engine.synthesize(
            &request,
            &script,
            &voice,
            &mut sampler,
            &mut NoTap,
            |i, segment| {
                if progress {
                    eprintln!("{}", progress_line(i, script.segments.len(), &segment));
                }
                segments.push(segment);
                Ok(())
            },
        )?;

        let samples: Vec<f32> = segments
            .iter()
            .flat_map(|s| s.samples.iter().copied())
            .collect();
        let wave = Waveform {
            samples,
            sample_rate: Engine::SAMPLE_RATE,
        };
        wave.write_f32(&self.output)?;
        let mut out = std::io::stdout().lock();
        if self.json {
            let report = describe(&script, &voice.speech_tokens, &segments, load, prompt);
            writeln!(out, "{report}")?;
        } else {
            writeln!(
                out,
                "{}: {:.2} s of speech",
                self.output.display(),
                wave.seconds()
            )?;
        }
        Ok(())
    }

    fn request(&self) -> anyhow::Result<Request> {
        let mode = match self.mode {
            ModeName::ZeroShot => Mode::ZeroShot {
                prompt_text: self.prompt_text.clone().context(
                    "zero-shot needs --prompt-text: what the recording says, after a prompt that ends in <|endofprompt|>",
                )?,
            },
            ModeName::CrossLingual => Mode::CrossLingual,
            ModeName::Instruct => Mode::Instruct {
                instruct: self.instruct.clone().context("instruct needs --instruct")?,
            },
            ModeName::Vc => Mode::VoiceConversion {
                source: Waveform::read(
                    self.source_wav.as_deref().context("vc needs --source-wav")?,
                )?,
            },
        };
        let text = match self.text.as_deref() {
            Some("-") => std::io::read_to_string(std::io::stdin()).context("standard input")?,
            Some(text) => text.to_owned(),
            None if self.mode == ModeName::Vc => String::new(),
            None => bail!("--text is missing"),
        };
        Ok(Request {
            text,
            mode,
            speed: self.speed,
        })
    }
}

fn progress_line(index: usize, count: usize, segment: &Segment) -> String {
    format!(
        "segment {}/{}: {} speech tokens, {:.2} s of speech in {:.2} s",
        index + 1,
        count.max(1),
        segment.tokens.len(),
        segment.samples.len() as f64 / f64::from(Engine::SAMPLE_RATE),
        segment.seconds.llm + segment.seconds.flow + segment.seconds.vocoder,
    )
}

fn describe(
    script: &Script,
    prompt_tokens: &[u32],
    segments: &[Segment],
    load: f64,
    prompt: f64,
) -> serde_json::Value {
    let segments: Vec<_> = segments
        .iter()
        .enumerate()
        .map(|(i, s)| {
            let text = script.segments.get(i);
            json!({
                "text": text.map(|t| &t.text),
                "ids": text.map(|t| &t.ids),
                "tokens": s.tokens,
                "tokens_kept": s.kept,
                "stop": s.stop.as_ref().map(|stop| format!("{stop:?}")),
                "samples": s.samples.len(),
                "seconds": { "llm": s.seconds.llm, "flow": s.seconds.flow, "vocoder": s.seconds.vocoder },
            })
        })
        .collect();
    json!({
        "prompt_text": script.prompt_text,
        "prompt_ids": script.prompt_ids,
        "prompt_speech_tokens": prompt_tokens,
        "segments": segments,
        "samples": segments.iter().filter_map(|s| s["samples"].as_u64()).sum::<u64>(),
        "chunks": segments.iter().map(|s| s["samples"].clone()).collect::<Vec<_>>(),
        "seconds": { "load": load, "prompt": prompt },
        "warnings": script.warnings,
    })
}
