use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};
use native::engine::Engine;
use native::model_dir::ModelDir;
use native_encode::SampleFormat;
use serde_json::{Value, json};

use super::request::{Defaults, Failure, Item, Requests};
use super::results::{Results, Said};
use super::say::Speaker;
use crate::is_closed_pipe;
use crate::options::{ModelOptions, named};
use crate::sink::{Sink, kind_of};
use crate::speaker::SpeakersFile;
use crate::subtitles::write;
use crate::text_source::seconds;

/// The file with what went wrong, in the folder of the sounds.
const ERRORS: &str = "errors.jsonl";

/// Say many requests into a folder, and go on where a run was stopped.
///
/// The file has one JSON object a line (or is one JSON list), with the fields name, mode, text or
/// pieces, prompt_wav, prompt_text, speaker, instruct, source_wav, seed, speed and pause. Only the
/// text is needed; paths are relative to the file:
///
/// {"name": "greeting", "text": "Good morning.", "seed": 3}
///
/// greeting.wav is then what `native synth` says with the same options, to the byte. All requests are
/// looked at before the first is said. Those that cannot be said are named, kept in errors.jsonl and
/// make the exit status 1, and the others are said. results.jsonl has what was said, with the time of
/// each segment. Run again, it says only what is new, has changed or has failed.
#[derive(ClapArgs)]
pub struct Args {
    #[command(flatten)]
    model: ModelOptions,
    /// The requests; - reads standard input
    #[arg(value_name = "REQUESTS")]
    requests: PathBuf,
    /// Folder for the sounds
    #[arg(long, value_name = "DIR", default_value = "output")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) speakers: SpeakersFile,
    /// Seed of requests that have none
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Seconds of silence between the segments of requests that do not say it
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pause: Duration,
    /// The kind of sound files, by the ending of their names
    #[arg(long, value_name = "ENDING", default_value = "wav")]
    format: String,
    /// How samples are stored: float32 or int16 [default: float32 in wav and raw samples]
    #[arg(long, value_name = "FORMAT", value_parser = named::<SampleFormat>(SampleFormat::NAMES))]
    sample_format: Option<SampleFormat>,
    /// Sample rate of the files in Hz; the model speaks at 24000
    #[arg(long, value_name = "HZ", default_value_t = Engine::SAMPLE_RATE)]
    sample_rate: u32,
    /// Write one file for each segment, NAME_0.wav, NAME_1.wav and so on, without pauses
    #[arg(long, conflicts_with_all = ["srt", "vtt"])]
    pub(super) segments: bool,
    /// Write subtitles too, as SubRip: NAME.srt
    #[arg(long)]
    pub(super) srt: bool,
    /// Write subtitles too, as WebVTT: NAME.vtt
    #[arg(long)]
    pub(super) vtt: bool,
    /// Say everything again, also what was said before
    #[arg(long)]
    again: bool,
}

impl Args {
    pub fn run(&self) -> anyhow::Result<()> {
        let defaults = Defaults {
            seed: self.seed,
            pause: self.pause,
        };
        let Requests {
            items,
            mut failures,
        } = Requests::read(&self.requests, defaults)?;
        let of = items.len() + failures.len();
        // A wrong ending is a mistake of the command, not of a request.
        drop(self.sink("speech")?);
        let mut results = Results::open(&self.out)?;
        let builder = self.model.builder()?;
        let frontend = builder.load_text_frontend()?;
        let model = self.model.dir.open()?;
        let engine = self.engine_words(&model)?;
        let mut speaker = Speaker::new(self, model);
        let (mut left, mut kept) = (Vec::new(), 0);
        for mut item in items {
            if !self.again && results.has(&item.name, &of_item(&item, &engine)) {
                kept += 1;
                continue;
            }
            // Before it is completed, so that it is known again by what was written.
            let of = of_item(&item, &engine);
            match speaker.check(&mut item, &frontend) {
                Ok((paused, warnings)) => left.push((item, of, paused, warnings)),
                Err(error) => failures.push(failure(&item, &error)),
            }
        }
        for Failure { place, error, .. } in &failures {
            eprintln!("native: {place}: {error}");
        }
        if kept > 0 {
            eprintln!("{kept} of {of} requests were said before; --again says them anew");
        }
        if !left.is_empty() {
            let bar = bar(left.len())?;
            let engine = builder.text_frontend(frontend).build()?;
            for (item, of, paused, warnings) in left {
                bar.set_message(item.name.clone());
                for warning in &warnings {
                    bar.suspend(|| eprintln!("warning: {}: {warning}", item.place));
                }
                let said = speaker.say(&engine, &item, &paused);
                let said = said.map(|said| Said {
                    of,
                    warnings,
                    ..said
                });
                match said.and_then(|said| results.add(said.clone()).map(|()| said)) {
                    Ok(said) => bar.suspend(|| self.tell(&said))?,
                    Err(error) if is_closed_pipe(&error) => return Err(error),
                    Err(error) => {
                        let failure = failure(&item, &error);
                        bar.suspend(|| eprintln!("native: {}: {}", failure.place, failure.error));
                        failures.push(failure);
                    }
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
        }
        self.keep_errors(&failures)?;
        if !failures.is_empty() {
            let errors = self.out.join(ERRORS);
            bail!(
                "{} of {of} requests failed, and the others were said; see {}",
                failures.len(),
                errors.display()
            );
        }
        Ok(())
    }

    /// The sound file of this name, without its ending.
    pub(super) fn sink(&self, name: &str) -> anyhow::Result<(Sink, String)> {
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let file = format!("{name}.{}", self.format);
        let path = self.out.join(&file);
        let kind = kind_of(&path, self.sample_format, self.sample_rate)?;
        Ok((Sink::new(&path, kind)?, file))
    }

    /// All that decides over a sound beside the request.
    fn engine_words(&self, model: &ModelDir) -> anyhow::Result<Value> {
        let path = model.path();
        let path = path
            .canonicalize()
            .with_context(|| path.display().to_string())?;
        let ModelOptions {
            device,
            precision,
            lm_weights,
            speaker,
            text,
            ..
        } = &self.model;
        Ok(json!({
            "version": crate::command::VERSION,
            "model": path,
            "device": device.to_string(),
            "precision": precision.to_string(),
            "lm_weights": lm_weights.and_then(|w| w.file_name()),
            "pooling": format!("{:?}", speaker.pooling),
            "text": format!("{:?} {:?}", text.frontend(), text.text_rules),
            "speakers": self.speakers.speakers,
            "format": format!("{} {:?} {}", self.format, self.sample_format, self.sample_rate),
            "files": [self.segments, self.srt, self.vtt],
        }))
    }

    fn tell(&self, said: &Said) -> anyhow::Result<()> {
        let first = said.files.first().map(String::as_str).unwrap_or_default();
        let path = self.out.join(first);
        writeln!(
            std::io::stdout(),
            "{}: {:.2} s",
            path.display(),
            said.seconds
        )?;
        Ok(())
    }

    /// Writes what went wrong in this run, or removes what went wrong in the last one.
    fn keep_errors(&self, failures: &[Failure]) -> anyhow::Result<()> {
        let path = self.out.join(ERRORS);
        if failures.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    Err(e).with_context(|| path.display().to_string())
                }
                _ => Ok(()),
            };
        }
        let lines = failures.iter().map(serde_json::to_string);
        let lines: Vec<_> = lines.collect::<Result<_, _>>()?;
        write(&path, &(lines.join("\n") + "\n"))
    }
}

/// A request and the engine, as the results keep them.
fn of_item(item: &Item, engine: &Value) -> Value {
    json!({ "request": item.says, "engine": engine })
}

fn failure(item: &Item, error: &anyhow::Error) -> Failure {
    Failure {
        place: item.place.clone(),
        name: Some(item.name.clone()),
        error: native::error_chain(error.as_ref()),
    }
}

/// A bar that counts requests, on standard error and only on a terminal.
fn bar(requests: usize) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("[{bar:20}] {pos}/{len}  {msg}  {eta} left")?;
    Ok(ProgressBar::new(requests as u64).with_style(style))
}
