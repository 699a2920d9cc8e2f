//! A loaded model.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use native::device::DeviceName;
use native::engine::{self, Hop, Mode, Request, Script};
use native::model_dir::{ModelDir, SavedSpeaker, SavedSpeakers};
use native::tap::NoTap;
use native::text::{FrontendOptions, NormalizerKind, TextFrontend};
use native::{Error, Result};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::errors::exception;
use crate::interrupt::interruptible;
use crate::pieces::{Pieces, Raised};
use crate::rng::{TorchRng, multinomial};
use crate::speech::Speech;
use crate::voice::{Recording, Voice};

/// A model, which several threads can use at once.
#[pyclass(frozen, module = "cosyvoice_native._native")]
pub struct Engine {
    engine: engine::Engine,
    /// The text frontend that leaves texts as they are.
    verbatim: Arc<TextFrontend>,
    /// Grown by all streams, as in the reference.
    hop: Hop,
    speakers: Mutex<Speakers>,
}

struct Speakers {
    all: SavedSpeakers,
    /// Those that are not in the file yet.
    unsaved: Vec<(String, SavedSpeaker)>,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (model_dir, *, device, precision, lm_weights, normalizer, text_rules, other_text_rules))]
    #[expect(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn new(
        py: Python<'_>,
        model_dir: PathBuf,
        device: Option<&str>,
        precision: &str,
        lm_weights: Option<&str>,
        normalizer: &str,
        text_rules: Option<PathBuf>,
        other_text_rules: Option<PathBuf>,
    ) -> PyResult<Self> {
        let frontend = FrontendOptions {
            normalizer: named::<NormalizerKind>(normalizer)?,
            ..FrontendOptions::default()
        };
        let weights = lm_weights.map(named).transpose()?.unwrap_or_default();
        let builder = engine::Engine::builder(&model_dir)
            .precision(named::<native::precision::Precisions>(precision)?)
            .lm_weights(weights)
            .frontend(frontend.clone());
        let device = device.map(named::<DeviceName>).transpose()?;
        let load = move || -> Result<Self> {
            let dir = ModelDir::open(&model_dir)?;
            let rules = match text_rules {
                None if frontend.normalizer != NormalizerKind::None => {
                    Some(found_rules(&dir, other_text_rules)?)
                }
                given => given,
            };
            let speakers = SavedSpeakers::open(&dir.saved_speakers())?;
            let device = device.unwrap_or_else(fastest_device).open()?;
            let builder = builder.text_rules(rules).device(device);
            let frontend = builder.load_text_frontend()?;
            Ok(Self {
                verbatim: Arc::new(frontend.verbatim()),
                engine: builder.text_frontend(frontend).build()?,
                hop: Hop::default(),
                speakers: Mutex::new(Speakers {
                    all: speakers,
                    unsaved: Vec::new(),
                }),
            })
        };
        interruptible(py, None, load)?.map_err(|e| exception(&e))
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        engine::Engine::SAMPLE_RATE
    }

    /// torch's generator as the reference's constructors leave it.
    #[pyo3(signature = (newer_draws = false))]
    fn generator_after_loading(&self, py: Python<'_>, newer_draws: bool) -> TorchRng {
        let multinomial = multinomial(newer_draws);
        let config = self.engine.model_dir().config();
        let rng = py.detach(|| config.generator_after_loading(multinomial));
        TorchRng::of(rng, multinomial)
    }

    /// The voice in a recording.
    fn voice(&self, py: Python<'_>, recording: Bound<'_, Recording>) -> PyResult<Voice> {
        Ok(Voice(self.prompt(py, &recording)?.into()))
    }

    /// The voice of a saved speaker.
    fn saved_voice(&self, name: &str) -> PyResult<Voice> {
        let speaker = self.speakers().all.get(name);
        Ok(Voice(speaker.map_err(|e| exception(&e))?.into()))
    }

    /// The names of the saved speakers.
    fn speaker_names(&self) -> Vec<String> {
        self.speakers().all.names().map(str::to_owned).collect()
    }

    /// Adds a speaker, who is in the file when all are saved.
    fn add_speaker(
        &self,
        py: Python<'_>,
        name: &str,
        prompt_text: &str,
        recording: Bound<'_, Recording>,
    ) -> PyResult<()> {
        let voice = self.prompt(py, &recording)?;
        let speaker = SavedSpeaker::new(self.engine.frontend(), prompt_text, &voice);
        let speaker = speaker.map_err(|e| exception(&e))?;
        let mut speakers = self.speakers();
        let added = speakers.all.add(name, &speaker);
        added.map_err(|e| exception(&e))?;
        speakers.unsaved.push((name.to_owned(), speaker));
        Ok(())
    }

    /// Writes the speakers that were added into the model's file. What others have written there
    /// meanwhile stays.
    fn save_speakers(&self, py: Python<'_>) -> PyResult<()> {
        let path = self.engine.model_dir().saved_speakers();
        let saved = py.detach(|| -> Result<()> {
            let mut speakers = self.speakers();
            let unsaved = std::mem::take(&mut speakers.unsaved);
            let add = |all: &mut SavedSpeakers| {
                unsaved
                    .iter()
                    .try_for_each(|(name, speaker)| all.add(name, speaker))
            };
            match SavedSpeakers::update(&path, add) {
                Ok(all) => speakers.all = all,
                Err(error) => {
                    speakers.unsaved = unsaved;
                    return Err(error);
                }
            }
            Ok(())
        });
        saved.map_err(|e| exception(&e))
    }

    /// Begins to say a text: `prompt` is the transcript or the instruction, `source` the recording
    /// whose words are kept, `pieces` an iterator in place of the text.
    #[pyo3(signature = (mode, voice, rng, *, text, pieces, prompt, source, stream, fresh_hop, speed, text_frontend))]
    #[expect(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn speak(
        &self,
        py: Python<'_>,
        mode: &str,
        voice: &Voice,
        rng: &TorchRng,
        text: &str,
        pieces: Option<Py<PyIterator>>,
        prompt: &str,
        source: Option<Bound<'_, Recording>>,
        stream: bool,
        fresh_hop: bool,
        speed: f64,
        text_frontend: bool,
    ) -> PyResult<Speech> {
        let mode = match (mode, source) {
            ("zero-shot", None) => Mode::ZeroShot {
                prompt_text: prompt.to_owned(),
            },
            ("cross-lingual", None) => Mode::CrossLingual,
            ("instruct", None) => Mode::Instruct {
                instruct: prompt.to_owned(),
            },
            ("vc", Some(source)) => Mode::VoiceConversion {
                source: source.get().waveform.clone(),
            },
            _ => return Err(PyValueError::new_err(format!("no such mode: {mode}"))),
        };
        let request = Request::new(mode, text, voice.0.clone())
            .speed(speed)
            .drawing_from(&rng.shared);
        let request = match (stream, fresh_hop) {
            (false, _) => request,
            (true, true) => request.streamed(),
            (true, false) => request.streamed_with(&self.hop),
        };
        let (engine, raised) = (self.engine.clone(), Raised::default());
        let frontend = (!text_frontend).then(|| self.verbatim.clone());
        let pieces = pieces.map(|iterator| Pieces::new(iterator, &raised));
        let begin = move || match pieces {
            Some(pieces) => engine.speak_arriving(&request, pieces).map(|s| (s, vec![])),
            None => begin(&engine, frontend.as_deref(), &request),
        };
        let begun = interruptible(py, None, begin)?;
        let (stream, warnings) = begun.map_err(|e| exception(&e))?;
        Ok(Speech::new(stream, warnings, raised))
    }
}

impl Engine {
    fn speakers(&self) -> std::sync::MutexGuard<'_, Speakers> {
        self.speakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prompt(
        &self,
        py: Python<'_>,
        recording: &Bound<'_, Recording>,
    ) -> PyResult<native::voice::VoicePrompt> {
        let engine = self.engine.clone();
        let (name, waveform) = (
            recording.get().name.clone(),
            recording.get().waveform.clone(),
        );
        let voice = interruptible(py, None, move || engine.voice(&waveform))?;
        voice.map_err(|error| match error {
            Error::Input(reason) if !name.is_empty() => {
                exception(&Error::input(format!("{name}: {reason}")))
            }
            error => exception(&error),
        })
    }
}

/// A request for a whole text, with what the user should know about it.
fn begin(
    engine: &engine::Engine,
    frontend: Option<&TextFrontend>,
    request: &Request,
) -> Result<(engine::SpeechStream, Vec<String>)> {
    let frontend = frontend.unwrap_or_else(|| engine.frontend());
    request.check()?;
    let script = Script::new(
        frontend,
        &request.mode,
        &request.text,
        request.voice.saved(),
    )?;
    let end = &engine.model_dir().family().end_of_prompt;
    let mut warnings = script.warnings.clone();
    warnings.extend(script.cautions(&request.mode, end));
    let stream = engine.speak_script(request, &script, &mut NoTap)?;
    Ok((stream, warnings))
}

/// The rules where the engine looks for them, else those that Python has found.
fn found_rules(dir: &ModelDir, other: Option<PathBuf>) -> Result<PathBuf> {
    match (dir.text_rules(), other) {
        (Ok(rules), _) | (Err(_), Some(rules)) => Ok(rules),
        (Err(error), None) => Err(Error::input(format!(
            "{error}. From Python: `pip install --no-deps wetext==0.1.8` brings them, text_rules= \
             names a folder, normalizer=\"none\" does without"
        ))),
    }
}

/// As the reference chooses: a GPU, if this build and this machine have one.
fn fastest_device() -> DeviceName {
    let gpu = match (cfg!(feature = "cuda"), cfg!(feature = "metal")) {
        (true, _) => DeviceName::Cuda(0),
        (_, true) => DeviceName::Metal(0),
        _ => return DeviceName::Cpu,
    };
    match gpu.open() {
        Ok(_) => gpu,
        Err(_) => DeviceName::Cpu,
    }
}

fn named<T>(name: &str) -> PyResult<T>
where
    T: FromStr<Err: ToString>,
{
    name.parse()
        .map_err(|e: T::Err| PyValueError::new_err(e.to_string()))
}
