use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use native::audio::Waveform;
use native::engine::{
    Engine, Mode, ModeName, PausedScript, Request, Script, Speech, StageSeconds, Text, Voice,
    check_end_of_prompt, check_speed,
};
use native::llm::{Stop, Strategy};
use native::model_dir::{ModelDir, SavedSpeaker};
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use native_encode::SampleFormat;
use serde_json::json;

use crate::mode::ModeOptions;
use crate::options::{ModelOptions, named};
use crate::progress::{Progress, warn};
use crate::sink::{Sink, is_stdout, kind_of};
use crate::speaker::SpeakersFile;
use crate::subtitles::SubtitleFiles;
use crate::text_source::TextSource;
use crate::timing::Timing;

/// Say a text in the voice of a recording.
///
/// Examples: native synth --text "Good morning, my name is Alice."
///
/// native synth --text-file story.txt --pause 0.4 --srt story.srt -o story.wav
///
/// native synth --model-dir Fun-CosyVoice3-0.5B --text "Hello there." --prompt-wav me.wav
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
    #[command(flatten)]
    text: TextSource,
    /// Recording of the voice, at most 30 s, 16 kHz or more [default: the voice that comes with the
    /// model, if it has one]
    #[arg(long, value_name = "WAV")]
    prompt_wav: Option<PathBuf>,
    /// Speak with this saved speaker instead of a recording: see native speaker --help
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prompt_wav", "prompt_text", "source_wav"])]
    speaker: Option<String>,
    #[command(flatten)]
    speakers: SpeakersFile,
    #[command(flatten)]
    mode: ModeOptions,
    /// Seed of the sampling; the same seed says the same as PyTorch does
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Which PyTorch draws like this: 2.3 (its wheels for x86-64), or new (newer wheels, and builds
    /// without MKL)
    #[arg(long, default_value = "2.3", value_parser = named::<TorchDraws>(["2.3", "new"]))]
    torch_draws: TorchDraws,
    /// Playback speed
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    speed: f64,
    /// Deliver the sound in chunks while the language model still samples
    #[arg(long)]
    stream: bool,
    /// The sound file to write: its name ends in .wav, .flac, .mp3, .ogg (Opus) or .pcm; - writes
    /// raw samples, little-endian, to standard output. The file gets its name when everything is
    /// said. What was said before an error or Ctrl-C stays beside it, under a name such as
    /// hello.partial-V0xY1z.wav
    #[arg(short, long, value_name = "FILE", default_value = "speech.wav")]
    output: PathBuf,
    /// How samples are stored: float32 or int16 [default: float32 in wav and raw samples]
    #[arg(long, value_name = "FORMAT", value_parser = named::<SampleFormat>(SampleFormat::NAMES))]
    sample_format: Option<SampleFormat>,
    /// Sample rate of the file in Hz; the model speaks at 24000
    #[arg(long, value_name = "HZ", default_value_t = Engine::SAMPLE_RATE)]
    sample_rate: u32,
    #[command(flatten)]
    subtitles: SubtitleFiles,
    /// Print what was done as one JSON object: texts, when each segment is heard, tokens, chunk sizes
    /// in samples, seconds
    #[arg(long)]
    json: bool,
}

/// Whose `multinomial` the sampling reproduces.
#[derive(Clone, Copy)]
struct TorchDraws(Multinomial);

impl std::str::FromStr for TorchDraws {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "2.3" => Ok(Self(Multinomial::MklStream)),
            "new" => Ok(Self(Multinomial::TwoDraws)),
            _ => Err(format!("unknown draws `{name}` (expected 2.3 or new)")),
        }
    }
}

impl Args {
    pub fn run(mut self) -> anyhow::Result<()> {
        if self.json && is_stdout(&self.output) {
            bail!("-o - and --json both write to standard output: write the sound to a file");
        }
        if self.speakers.speakers.is_some() && self.speaker.is_none() {
            bail!("--speakers is of no use without --speaker, which names one of them");
        }
        check_speed(self.speed, self.stream)?;
        self.subtitles.check(self.mode.mode)?;
        let kind = kind_of(&self.output, self.sample_format, self.sample_rate)?;
        let sink = Sink::new(&self.output, kind)?;
        let model = self.model.dir.open()?;
        let own_voice = self.prompt_wav.is_none() && self.speaker.is_none();
        if own_voice {
            self.take_own_voice(&model)?;
        }
        let mode = self.mode.mode(self.speaker.is_some())?;
        let text = self.text.read(self.mode.mode)?;
        let speaker = self.speaker(&model)?;
        if speaker.is_none() {
            check_end_of_prompt(&mode, &text, &model.family().end_of_prompt)?;
        }
        let recording = self.prompt_wav.as_deref().map(Waveform::read).transpose()?;
        let started = Instant::now();
        let builder = self.model.builder()?;
        // A text that cannot be said is refused before the networks are loaded.
        let frontend = builder.load_text_frontend()?;
        let end = &model.family().end_of_prompt;
        let pause = self.text.pause();
        let paused = PausedScript::new(&frontend, &mode, &text, speaker.as_ref(), end, pause)?;
        let script = &paused.script;
        let mut warnings = script.warnings.clone();
        // They are about the choice of a prompt, and here nobody has chosen it.
        if !own_voice {
            warnings.extend(script.cautions(&mode, end));
        }
        warnings.iter().for_each(|warning| warn(warning));
        let engine = builder.text_frontend(frontend).build()?;
        let load = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let voice = match (speaker, &recording, &self.prompt_wav) {
            (Some(speaker), ..) => Voice::Saved(speaker),
            (None, Some(recording), Some(path)) => {
                let voice = engine.voice(recording);
                Voice::Prompt(voice.with_context(|| path.display().to_string())?)
            }
            _ => bail!("--prompt-wav or --speaker is missing"),
        };
        let prompt = started.elapsed().as_secs_f64();

        let request = self.request(mode, text, voice);
        let mut progress = Progress {
            shown: std::io::stderr().is_terminal() && !self.json,
            segments: script.segments.len().max(1),
            started: Instant::now(),
            speech: Speech::default(),
            timing: Timing::new(&paused),
            first_sound: None,
            warnings,
        };
        let speech = engine.speak_script(&request, script, &mut NoTap)?;
        progress.deliver(speech, sink)?;
        self.subtitles.write(script, &progress.timing)?;
        if self.json {
            let weights = engine.lm_weights().file_name().unwrap_or_default();
            let seconds = json!({
                "load": load, "prompt": prompt, "first_sound": progress.first_sound,
            });
            let report = describe(
                script,
                &request.voice.prompt().speech_tokens,
                &progress,
                seconds,
                &weights.to_string_lossy(),
            );
            writeln!(std::io::stdout(), "{report}")?;
        } else if !is_stdout(&self.output) {
            let (output, seconds) = (self.output.display(), progress.timing.seconds());
            writeln!(std::io::stdout(), "{output}: {seconds:.2} s of speech")?;
        }
        Ok(())
    }

    /// Speaks with the voice that comes with the model.
    fn take_own_voice(&mut self, model: &ModelDir) -> anyhow::Result<()> {
        if self.mode.prompt_text.is_some() {
            bail!("--prompt-text says what is said in a recording: --prompt-wav is missing");
        }
        let Some(own) = model.own_voice()? else {
            bail!(
                "--prompt-wav or --speaker is missing: {} has no voice of its own",
                model.path().display()
            );
        };
        self.prompt_wav = Some(own.recording);
        if self.mode.mode == ModeName::ZeroShot {
            self.mode.prompt_text = Some(own.transcript);
        }
        Ok(())
    }

    /// The requested saved speaker. Only its file is read, so that a wrong name is reported at once.
    fn speaker(&self, model: &ModelDir) -> anyhow::Result<Option<SavedSpeaker>> {
        let Some(name) = &self.speaker else {
            return Ok(None);
        };
        Ok(Some(self.speakers.open(model)?.get(name)?))
    }

    fn request(&self, mode: Mode, text: Text, voice: Voice) -> Request {
        let TorchDraws(multinomial) = self.torch_draws;
        let request = Request::new(mode, text, voice)
            .speed(self.speed)
            .sampling(Strategy::Torch {
                seed: self.seed,
                multinomial,
            });
        match self.stream {
            true => request.streamed(),
            false => request,
        }
    }
}

/// Machine-readable stop reason for `--json`.
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
    progress: &Progress,
    seconds: serde_json::Value,
    lm_weights: &str,
) -> serde_json::Value {
    let speech = &progress.speech;
    let lengths = speech.segment_lengths.iter();
    let segments: Vec<_> = speech
        .segments
        .iter()
        .zip(lengths)
        .zip(progress.timing.spans())
        .enumerate()
        .map(|(i, ((info, samples), span))| {
            let text = script.segments.get(i);
            let StageSeconds { llm, flow, vocoder } = info.seconds;
            json!({
                "text": text.map(|t| &t.text),
                "ids": text.map(|t| &t.ids),
                "tokens": info.tokens,
                "tokens_kept": info.kept,
                "stop": info.stop.map(stop_name),
                "stop_mark": info.stop.and_then(Stop::mark),
                "samples": samples,
                "start": span.start,
                "end": span.end,
                "seconds": { "llm": llm, "flow": flow, "vocoder": vocoder },
            })
        })
        .collect();
    json!({
        "lm_weights": lm_weights,
        "prompt_text": script.prompt_text,
        "prompt_ids": script.prompt_ids,
        "prompt_speech_tokens": prompt_tokens,
        "segments": segments,
        "samples": progress.timing.samples(),
        "chunks": speech.chunk_lengths,
        "seconds": seconds,
        "warnings": progress.warnings,
    })
}
