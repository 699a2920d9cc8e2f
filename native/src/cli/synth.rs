use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, ValueEnum};
use native::audio::Waveform;
use native::engine::{Chunk, Engine, Hop, Mode, Request, Said, Script, Segment, StageSeconds};
use native::llm::{Sampler, Stop, Strategy};
use native::model_dir::{ModelDir, SavedSpeaker};
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use serde_json::json;

use super::options::ModelOptions;
use super::sink::{Sink, is_stdout};
use super::speaker::SpeakersFile;

/// Say a text in the voice of a recording.
///
/// Example: native synth --model-dir out/tiny-7 --text "Hello there." --prompt-wav me.wav
/// --prompt-text "You are a helpful assistant.<|endofprompt|>What I say in me.wav." -o hello.wav
///
/// With --stream the sound can be heard as it is made: … --stream -o - | aplay -f FLOAT_LE -r 24000
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
    /// Take every line of the text for a piece that arrives while it is spoken (bistream): pieces
    /// are neither normalised nor split, and joined without a space
    #[arg(long, conflicts_with = "source_wav")]
    pieces: bool,
    /// Recording of the voice, at most 30 s, 16 kHz or more
    #[arg(long, value_name = "WAV", required_unless_present = "speaker")]
    prompt_wav: Option<PathBuf>,
    /// Speak with this saved speaker, not with a recording: see native speaker --help
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prompt_wav", "prompt_text", "source_wav"])]
    speaker: Option<String>,
    #[command(flatten)]
    speakers: SpeakersFile,
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
    /// Deliver the sound in chunks while the language model still samples
    #[arg(long)]
    stream: bool,
    /// The sound file to write, 24 kHz float; - writes raw float32 samples, little-endian, to
    /// standard output
    #[arg(short, long, value_name = "WAV")]
    output: PathBuf,
    /// Print what was done as one JSON object: texts, tokens, chunk sizes in samples, seconds
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
        if self.json && is_stdout(&self.output) {
            bail!("-o - and --json both want standard output: write the sound to a file");
        }
        let request = self.request()?;
        let speaker = self.speaker()?;
        if speaker.is_none() {
            request.check()?;
        }
        let recording = self.prompt_wav.as_deref().map(Waveform::read).transpose()?;
        let started = Instant::now();
        let engine = Arc::new(Engine::load(&self.model.model_dir, &self.model.engine()?)?);
        let load = started.elapsed().as_secs_f64();
        let mut script = if self.pieces {
            let pieces: Vec<&str> = request.text.lines().collect();
            engine.script_in_pieces(&request.mode, &pieces)?
        } else {
            engine.script(&request)?
        };
        let started = Instant::now();
        let voice = match (speaker, &recording) {
            (Some(speaker), _) => {
                script = script.said_by(&speaker, &request.mode);
                speaker.voice
            }
            (None, Some(recording)) => engine.voice(recording, &mut NoTap).with_context(|| {
                format!(
                    "{}",
                    self.prompt_wav.as_deref().unwrap_or("".as_ref()).display()
                )
            })?,
            (None, None) => bail!("--prompt-wav or --speaker is missing"),
        };
        for warning in &script.warnings {
            eprintln!("warning: {warning}");
        }
        let prompt = started.elapsed().as_secs_f64();

        let sampler = Sampler::new(self.strategy(), engine.llm.config().sampling);
        let mut teller = Teller {
            progress: std::io::stderr().is_terminal() && !self.json,
            segments: script.segments.len().max(1),
            started: Instant::now(),
            spoken: Spoken::default(),
        };
        if self.stream {
            let mut sink = Sink::open(&self.output)?;
            let hop = Hop::default();
            for chunk in
                Arc::clone(&engine).stream(&request, &script, &voice, sampler, &hop, &mut NoTap)?
            {
                let chunk = chunk?;
                sink.write(&chunk.samples)?;
                teller.chunk(chunk);
            }
            sink.finish()?;
        } else {
            let mut sampler = sampler;
            let mut samples = Vec::new();
            let deliver = |_, segment: Segment| {
                samples.extend_from_slice(&segment.samples);
                teller.segment(segment);
                Ok(())
            };
            engine.synthesize(&request, &script, &voice, &mut sampler, &mut NoTap, deliver)?;
            self.write(samples)?;
        }
        let spoken = teller.spoken;
        if self.json {
            let weights = engine
                .model_dir
                .lm_weights(self.model.lm_weights.choice())?;
            let weights = weights.file_name().unwrap_or_default().to_string_lossy();
            let seconds = json!({
                "load": load, "prompt": prompt, "first_sound": spoken.first_sound,
            });
            let report = describe(&script, &voice.speech_tokens, &spoken, seconds, &weights);
            writeln!(std::io::stdout(), "{report}")?;
        } else if !is_stdout(&self.output) {
            let seconds = spoken.samples() as f64 / f64::from(Engine::SAMPLE_RATE);
            let output = self.output.display();
            writeln!(std::io::stdout(), "{output}: {seconds:.2} s of speech")?;
        }
        Ok(())
    }

    /// The saved speaker asked for. Only its file is read, so that a wrong name is told at once.
    fn speaker(&self) -> anyhow::Result<Option<SavedSpeaker>> {
        let Some(name) = &self.speaker else {
            return Ok(None);
        };
        let speakers = self
            .speakers
            .open(&ModelDir::open(&self.model.model_dir)?)?;
        Ok(Some(speakers.get(name)?))
    }

    /// The whole sound at once: the file is there completely or not at all.
    fn write(&self, samples: Vec<f32>) -> anyhow::Result<()> {
        if is_stdout(&self.output) {
            return Sink::open(&self.output)?.write(&samples);
        }
        let wave = Waveform {
            samples,
            sample_rate: Engine::SAMPLE_RATE,
        };
        Ok(wave.write_f32(&self.output)?)
    }

    fn strategy(&self) -> Strategy {
        Strategy::Torch {
            seed: self.seed,
            multinomial: match self.torch_draws {
                TorchDraws::V23 => Multinomial::MklStream,
                TorchDraws::New => Multinomial::TwoDraws,
            },
        }
    }

    fn request(&self) -> anyhow::Result<Request> {
        let mode = match self.mode {
            ModeName::ZeroShot if self.speaker.is_some() => Mode::ZeroShot {
                prompt_text: String::new(),
            },
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

/// What was said so far.
#[derive(Default)]
struct Spoken {
    segments: Vec<SpokenSegment>,
    /// Samples of every chunk; without --stream of every segment.
    chunks: Vec<usize>,
    /// Seconds until the first of them.
    first_sound: Option<f64>,
}

struct SpokenSegment {
    said: Said,
    samples: usize,
}

impl Spoken {
    fn samples(&self) -> usize {
        self.chunks.iter().sum()
    }
}

/// Keeps the books of what is said, and tells who waits for it.
struct Teller {
    progress: bool,
    /// How many there will be.
    segments: usize,
    started: Instant,
    spoken: Spoken,
}

impl Teller {
    fn chunk(&mut self, chunk: Chunk) {
        let samples = chunk.samples.len();
        self.sound(samples);
        if self.progress {
            let seconds = samples as f64 / f64::from(Engine::SAMPLE_RATE);
            let at = self.started.elapsed().as_secs_f64();
            eprintln!("chunk of {seconds:.2} s after {at:.2} s");
        }
        if let Some(said) = chunk.end {
            let before: usize = self.spoken.segments.iter().map(|s| s.samples).sum();
            let samples = self.spoken.samples() - before;
            self.end(SpokenSegment { said, samples });
        }
    }

    fn segment(&mut self, segment: Segment) {
        self.sound(segment.samples.len());
        self.end(SpokenSegment {
            samples: segment.samples.len(),
            said: segment.said,
        });
    }

    fn sound(&mut self, samples: usize) {
        let now = self.started.elapsed().as_secs_f64();
        self.spoken.first_sound.get_or_insert(now);
        self.spoken.chunks.push(samples);
    }

    fn end(&mut self, segment: SpokenSegment) {
        if self.progress {
            let StageSeconds { llm, flow, vocoder } = segment.said.seconds;
            eprintln!(
                "segment {}/{}: {} speech tokens, {:.2} s of speech; language model {llm:.2} s, \
                 flow {flow:.2} s, vocoder {vocoder:.2} s",
                self.spoken.segments.len() + 1,
                self.segments,
                segment.said.tokens.len(),
                segment.samples as f64 / f64::from(Engine::SAMPLE_RATE),
            );
        }
        self.spoken.segments.push(segment);
    }
}

/// Why a segment ended, for a reader in another language.
fn stop_name(stop: Stop) -> &'static str {
    match stop {
        Stop::StopToken(_) => "mark",
        Stop::OutOfPlace(_) => "mark-out-of-place",
        Stop::MaxLength => "max-length",
    }
}

fn describe(
    script: &Script,
    prompt_tokens: &[u32],
    spoken: &Spoken,
    seconds: serde_json::Value,
    lm_weights: &str,
) -> serde_json::Value {
    let segments: Vec<_> = spoken
        .segments
        .iter()
        .enumerate()
        .map(|(i, SpokenSegment { said, samples })| {
            let text = script.segments.get(i);
            json!({
                "text": text.map(|t| &t.text),
                "ids": text.map(|t| &t.ids),
                "tokens": said.tokens,
                "tokens_kept": said.kept,
                "stop": said.stop.map(stop_name),
                "stop_mark": said.stop.and_then(Stop::mark),
                "samples": samples,
                "seconds": { "llm": said.seconds.llm, "flow": said.seconds.flow, "vocoder": said.seconds.vocoder },
            })
        })
        .collect();
    json!({
        "lm_weights": lm_weights,
        "prompt_text": script.prompt_text,
        "prompt_ids": script.prompt_ids,
        "prompt_speech_tokens": prompt_tokens,
        "segments": segments,
        "samples": spoken.samples(),
        "chunks": spoken.chunks,
        "seconds": seconds,
        "warnings": script.warnings,
    })
}
