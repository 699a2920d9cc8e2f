use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use native::audio::Waveform;
use native::engine::{Chunk, Engine, ModeName, PausedScript, Request, Voice, check_end_of_prompt};
use native::model_dir::ModelDir;
use native::tap::NoTap;
use native::text::TextFrontend;
use native::voice::VoicePrompt;
use serde_json::{Value, json};

use super::request::Item;
use super::results::Said;
use super::run::Args;
use crate::subtitles::SubtitleFiles;
use crate::timing::Timing;

/// What requests are checked with and said by.
pub struct Speaker<'a> {
    args: &'a Args,
    model: ModelDir,
    /// The voices of recordings: many requests share one.
    voices: BTreeMap<PathBuf, VoicePrompt>,
}

impl<'a> Speaker<'a> {
    pub fn new(args: &'a Args, model: ModelDir) -> Self {
        Self {
            args,
            model,
            voices: BTreeMap::new(),
        }
    }

    /// Refuses what cannot be said, as far as that can be known without the networks. Gives the
    /// text stage, and what the user should know.
    pub fn check(
        &self,
        item: &mut Item,
        frontend: &TextFrontend,
    ) -> anyhow::Result<(PausedScript, Vec<String>)> {
        let own_voice = item.prompt_wav.is_none() && item.speaker.is_none();
        if own_voice {
            self.take_own_voice(item)?;
        }
        let speaker = match &item.speaker {
            Some(name) => Some(self.args.speakers.open(&self.model)?.get(name)?),
            None => None,
        };
        let mode = item.mode.mode(speaker.is_some())?;
        let end = &self.model.family().end_of_prompt;
        if speaker.is_none() {
            check_end_of_prompt(&mode, &item.text, end)?;
        }
        let paused = PausedScript::new(
            frontend,
            &mode,
            &item.text,
            speaker.as_ref(),
            end,
            item.pause,
        )?;
        let mut warnings = paused.script.warnings.clone();
        if !own_voice {
            warnings.extend(paused.script.cautions(&mode, end));
        }
        if let Some(prompt) = item.prompt_wav.as_deref() {
            Waveform::read(prompt)?;
        }
        Ok((paused, warnings))
    }

    /// Speaks with the voice that comes with the model.
    fn take_own_voice(&self, item: &mut Item) -> anyhow::Result<()> {
        if item.mode.prompt_text.is_some() {
            bail!("prompt_text says what is said in a recording: prompt_wav is missing");
        }
        let Some(own) = self.model.own_voice()? else {
            bail!(
                "prompt_wav or speaker is missing: {} has no voice of its own",
                self.model.path().display()
            );
        };
        item.prompt_wav = Some(own.recording);
        if item.mode.mode == ModeName::ZeroShot {
            item.mode.prompt_text = Some(own.transcript);
        }
        Ok(())
    }

    /// Says a request into its files.
    pub fn say(
        &mut self,
        engine: &Engine,
        item: &Item,
        paused: &PausedScript,
    ) -> anyhow::Result<Said> {
        let voice = match (&item.speaker, &item.prompt_wav) {
            (Some(name), _) => Voice::Saved(self.args.speakers.open(&self.model)?.get(name)?),
            (None, Some(path)) => Voice::Prompt(self.voice(engine, path)?),
            (None, None) => bail!("prompt_wav or speaker is missing"),
        };
        let mode = item.mode.mode(item.speaker.is_some())?;
        let request = Request::new(mode, item.text.clone(), voice)
            .speed(item.speed)
            .seed(item.seed);
        let speech = engine.speak_script(&request, &paused.script, &mut NoTap)?;
        let mut timing = Timing::new(paused);
        let files = match self.args.segments {
            true => self.write_segments(item, speech, &mut timing)?,
            false => self.write_whole(item, speech, paused, &mut timing)?,
        };
        let texts = paused.script.segments.iter().map(|s| Some(&s.text));
        let spans = timing
            .spans()
            .iter()
            .zip(texts.chain(std::iter::repeat(None)));
        let segments =
            spans.map(|(span, text)| json!({ "text": text, "start": span.start, "end": span.end }));
        Ok(Said {
            name: item.name.clone(),
            files,
            seconds: timing.seconds(),
            segments: segments.collect(),
            warnings: Vec::new(),
            of: Value::Null,
        })
    }

    /// The voice of a recording, which is computed once.
    fn voice(&mut self, engine: &Engine, path: &Path) -> anyhow::Result<VoicePrompt> {
        /// More are computed anew, so that they do not fill the memory.
        const MOST: usize = 256;
        if let Some(voice) = self.voices.get(path) {
            return Ok(voice.clone());
        }
        let voice = engine.voice(&Waveform::read(path)?);
        let voice = voice.with_context(|| path.display().to_string())?;
        if self.voices.len() >= MOST {
            self.voices.clear();
        }
        self.voices.insert(path.to_owned(), voice.clone());
        Ok(voice)
    }

    /// Writes one file, and subtitles if they are wanted. Returns their names.
    fn write_whole(
        &self,
        item: &Item,
        speech: impl IntoIterator<Item = native::Result<Chunk>>,
        paused: &PausedScript,
        timing: &mut Timing,
    ) -> anyhow::Result<Vec<String>> {
        let (mut sink, file) = self.args.sink(&item.name)?;
        for chunk in speech {
            let chunk = chunk?;
            let silence = timing.add(chunk.segment, chunk.samples.len());
            if silence > 0 {
                sink.write(&vec![0.0; silence])?;
            }
            sink.write(&chunk.samples)?;
        }
        let silence = timing.end();
        if silence > 0 {
            sink.write(&vec![0.0; silence])?;
        }
        sink.finish()?;
        let mut files = vec![file];
        let mut beside = |wanted: bool, ending: &str| {
            let wanted = wanted && !paused.script.segments.is_empty();
            let name = wanted.then(|| format!("{}.{ending}", item.name));
            files.extend(name.clone());
            name.map(|name| self.args.out.join(name))
        };
        let subtitles = SubtitleFiles {
            srt: beside(self.args.srt, "srt"),
            vtt: beside(self.args.vtt, "vtt"),
        };
        subtitles.write(&paused.script, timing)?;
        Ok(files)
    }

    /// Writes a file for each segment. Returns their names.
    fn write_segments(
        &self,
        item: &Item,
        speech: impl IntoIterator<Item = native::Result<Chunk>>,
        timing: &mut Timing,
    ) -> anyhow::Result<Vec<String>> {
        let mut files = Vec::new();
        for chunk in speech {
            let chunk = chunk?;
            timing.add(chunk.segment, chunk.samples.len());
            let name = format!("{}_{}", item.name, chunk.segment);
            let (mut sink, file) = self.args.sink(&name)?;
            sink.write(&chunk.samples)?;
            sink.finish()?;
            files.push(file);
        }
        Ok(files)
    }
}
