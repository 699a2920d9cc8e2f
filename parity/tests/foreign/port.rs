//! A port with a mistake: the native engine's own parts, put together wrongly, and what such a port
//! would hand in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use native::Portion;
use native::engine::{Engine, EngineBuilder, Mode, Script, TextSegment};
use native::llm::{LmPrompt, Sampler, SamplingConfig, Strategy};
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use native::voice::VoicePrompt;
use parity::array::Array;
use parity::case::{self, Case, CaseFile};
use parity::record::NativeRecorder;
use parity::recording::{CaseRecord, Reader, Recording, RecordingSource as _};
use parity::stage::{FLOW_STEPS, Key, Stage};
use serde_json::{Value, json};

use crate::model::{tiny, workspace};

/// The cases that each port has recorded. Each is of one segment.
pub const CASES: [&str; 5] = [
    "english-short",
    "chinese-short",
    "cross-lingual",
    "instruct",
    "mixed-languages",
];

pub fn golden_dir() -> PathBuf {
    workspace().join("golden/tiny-7")
}

pub fn golden() -> Reader {
    Reader::open(golden_dir()).expect("the golden")
}

/// The engine without a mistake.
pub fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| load(Engine::builder(tiny())));
    &ENGINE
}

pub fn load(builder: EngineBuilder) -> Engine {
    builder.build().expect("the model loads")
}

/// A model directory in which one file is another.
pub fn altered_model(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    link(tiny(), dir.path());
    let path = dir.path().join(file);
    let text = std::fs::read_to_string(tiny().join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, text.replace(from, to)).unwrap();
    dir
}

fn link(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => link(&path, &place),
            false => drop(std::fs::copy(path.canonicalize().unwrap(), place).unwrap()),
        }
    }
}

/// What the engine without a mistake records of the cases, with the logits on the golden's tokens.
pub fn sound() -> Recording {
    static SOUND: LazyLock<Mutex<Recording>> = LazyLock::new(|| Mutex::new(record(None)));
    SOUND.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The same with the prompts of another folder, if one is named.
pub fn record(prompts: Option<&Path>) -> Recording {
    let golden = golden();
    let path = workspace().join("golden/cases.toml");
    let names = CASES.map(str::to_owned);
    let cases = CaseFile::load(path).unwrap().select(&names).unwrap();
    let heard = CaseFile {
        dir: prompts.map_or(cases.dir.clone(), Path::to_owned),
        ..cases.clone()
    };
    let mut recorder = NativeRecorder::load(Engine::builder(tiny()), "cpu", "f32").unwrap();
    recorder.match_torch_of(golden.manifest());
    let mut recording = Recording {
        manifest: golden.manifest().clone(),
        cases: Default::default(),
    };
    for case in &cases.cases {
        let reference = golden.case(&case.name).unwrap();
        let mut record = recorder.cascaded(case, &heard).unwrap();
        let isolated = recorder.isolated(case, &heard, &reference).unwrap();
        for stage in [Stage::LlmLogits, Stage::LlmLogitRows] {
            let key = Key::segment(stage, 0);
            if let Some(array) = isolated.tensors.get(&key) {
                record.tensors.insert(key, array.clone());
            }
        }
        // The port was asked for the golden's case, whatever it made of it.
        record.case = reference.case.clone();
        recording.cases.insert(case.name.clone(), record);
    }
    recording
}

/// What the case is as the engine takes it.
fn prompt(engine: &Engine, record: &CaseRecord) -> LmPrompt {
    let ids = |ids: &[i64]| -> Vec<u32> { ids.iter().map(|&id| id as u32).collect() };
    let text = &record.text;
    let segment = TextSegment {
        text: text.segments[0].text.clone(),
        ids: ids(&text.segments[0].ids),
    };
    let script = Script {
        prompt_text: text.prompt_text.clone().unwrap_or_default(),
        prompt_ids: ids(&text.prompt_ids),
        segments: vec![segment.clone()],
        in_pieces: false,
        warnings: Vec::new(),
    };
    let mode = mode(&record.case.case);
    engine.lm_prompt(&mode, &script, &segment, &voice(record))
}

fn mode(case: &Case) -> Mode {
    match &case.mode {
        case::Mode::ZeroShot { prompt_text, .. } => Mode::ZeroShot {
            prompt_text: prompt_text.clone(),
        },
        case::Mode::CrossLingual { .. } => Mode::CrossLingual,
        case::Mode::Instruct { instruct, .. } => Mode::Instruct {
            instruct: instruct.clone(),
        },
        case::Mode::Vc { .. } => panic!("it samples no tokens"),
    }
}

pub fn tensor(record: &CaseRecord, key: &Key) -> Tensor {
    let array = &record.tensors[key];
    Tensor::from_slice(array.as_f32().unwrap(), array.shape(), &Device::Cpu).unwrap()
}

pub fn ids(record: &CaseRecord, key: &Key) -> Vec<u32> {
    let array = &record.tensors[key];
    array.as_i64().unwrap().iter().map(|&t| t as u32).collect()
}

fn voice(record: &CaseRecord) -> VoicePrompt {
    let voice = VoicePrompt {
        speech_tokens: ids(record, &Key::whole(Stage::PromptSpeechTokens)),
        mel: tensor(record, &Key::whole(Stage::PromptMel)),
        speaker_embedding: tensor(record, &Key::whole(Stage::PromptSpeakerEmbedding)),
    };
    voice.aligned().unwrap()
}

/// How a port samples.
pub struct Rules {
    pub sampling: SamplingConfig,
    /// Whether 6561 is masked before the minimum length.
    pub minimum: bool,
    /// Which ids end the speech.
    pub ends: fn(u32) -> bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            sampling: SamplingConfig::default(),
            minimum: true,
            ends: |id| id >= 6561,
        }
    }
}

/// Most tokens of a port that does not end by itself.
const ENOUGH: usize = 80;

/// Samples the tokens of a case anew, by these rules; nothing after the tokens is left.
pub fn sample(engine: &Engine, record: &mut CaseRecord, rules: &Rules) {
    let prompt = prompt(engine, record);
    let strategy = Strategy::Torch {
        seed: record.case.case.seed,
        multinomial: Multinomial::MklStream,
    };
    let mut sampler = Sampler::new(strategy, rules.sampling);
    let (mut tokens, mut stop) = (Vec::new(), -1);
    while tokens.len() < prompt.max_len().min(ENOUGH) {
        let logits = engine
            .llm()
            .teacher_forced_logits(&prompt, &tokens, &mut NoTap)
            .unwrap();
        let row: Vec<f32> = logits.get(tokens.len()).unwrap().to_vec1().unwrap();
        let masks = rules.minimum && tokens.len() < prompt.min_len();
        let token = sampler
            .sample(&row, &tokens, masks.then_some(6561))
            .unwrap();
        if (rules.ends)(token) {
            stop = i64::from(token);
            break;
        }
        tokens.push(token);
    }
    let kept = engine.llm().config().drop_long_silences(&tokens);
    set_ids(record, Stage::LlmTokens, &tokens);
    set_ids(record, Stage::LlmTokensKept, &kept);
    let key = Key::segment(Stage::LlmStop, 0);
    record.tensors.insert(key, Array::ids(vec![stop]));
    record.tensors.retain(|key, _| key.stage < Stage::FlowMu);
    record.audio.clear();
}

pub fn set_ids(record: &mut CaseRecord, stage: Stage, tokens: &[u32]) {
    let ids = tokens.iter().map(|&t| i64::from(t)).collect();
    record
        .tensors
        .insert(Key::segment(stage, 0), Array::ids(ids));
}

pub fn set(record: &mut CaseRecord, key: Key, value: &Tensor) {
    let values = value.flatten_all().unwrap().to_vec1().unwrap();
    let array = Array::f32(value.dims().to_vec(), values).unwrap();
    record.tensors.insert(key, array);
}

/// Logits on the golden's tokens, by an engine with another language model.
pub fn force_logits(engine: &Engine, record: &mut CaseRecord, golden: &CaseRecord) {
    let Some(rows) = golden.tensors.get(&Key::segment(Stage::LlmLogitRows, 0)) else {
        return;
    };
    let tokens = ids(golden, &Key::segment(Stage::LlmTokens, 0));
    let prompt = prompt(engine, record);
    let logits = engine
        .llm()
        .teacher_forced_logits(&prompt, &tokens, &mut NoTap);
    let rows = Tensor::new(rows.as_i64().unwrap(), &Device::Cpu).unwrap();
    let kept = logits.unwrap().index_select(&rows, 0).unwrap();
    set(record, Key::segment(Stage::LlmLogits, 0), &kept);
}

/// What is done wrong from the flow on.
#[derive(Clone, Copy, Default)]
pub struct Late {
    pub one_step: bool,
    pub f0_padded_left: bool,
    pub phase_drifts: bool,
}

/// Computes everything from the kept tokens on anew.
pub fn speak(engine: &Engine, record: &mut CaseRecord, late: Late) {
    let segment = |stage| Key::segment(stage, 0);
    let voice = voice(record);
    let kept = ids(record, &segment(Stage::LlmTokensKept));
    let flow = engine.flow();
    let all = [voice.speech_tokens.clone(), kept].concat();
    let mu = flow.mu(&all, Portion::Final).unwrap();
    set(record, segment(Stage::FlowMu), &mu);
    let speaker = flow.speaker(&voice.speaker_embedding).unwrap();
    let conditioning = flow
        .condition(&mu, &speaker, &voice.mel, Portion::Final)
        .unwrap();
    let start = flow.noise(conditioning.frames()).unwrap();
    record
        .tensors
        .retain(|key, _| !matches!(key.stage, Stage::FlowStep(_)));
    let mut x = start.clone();
    for step in FLOW_STEPS {
        x = flow.step(step, &x, &conditioning, &mut NoTap).unwrap();
        if late.one_step {
            // The velocity at the start, over the whole way.
            let first = native_first_step();
            x = (&start + ((x - &start).unwrap() / first).unwrap()).unwrap();
        }
        set(record, segment(Stage::FlowStep(step)), &x);
        if late.one_step {
            break;
        }
    }
    let before = voice.mel.dim(0).unwrap();
    let frames = conditioning.frames() - before;
    let mel = x.narrow(1, before, frames).unwrap().contiguous().unwrap();
    set(record, segment(Stage::FlowMel), &mel);
    vocode(engine, record, &mel, late);
}

/// How far the first of ten steps goes on the cosine grid.
fn native_first_step() -> f64 {
    1.0 - (0.1 * std::f64::consts::FRAC_PI_2).cos()
}

/// Frames that the first convolution of the F0 predictor looks ahead.
const LOOKAHEAD: usize = 3;

/// Computes everything from the mel on anew.
pub fn vocode(engine: &Engine, record: &mut CaseRecord, mel: &Tensor, late: Late) {
    let segment = |stage| Key::segment(stage, 0);
    let vocoder = engine.vocoder();
    let heard = match late.f0_padded_left {
        true => {
            let padded = mel.pad_with_zeros(1, LOOKAHEAD, 0).unwrap();
            padded
                .narrow(1, 0, mel.dim(1).unwrap())
                .unwrap()
                .contiguous()
                .unwrap()
        }
        false => mel.clone(),
    };
    let f0 = vocoder.f0(&heard, Portion::Final, &mut NoTap).unwrap();
    set(record, segment(Stage::VocoderF0), &f0);
    let phased = match late.phase_drifts {
        true => (&f0 * 1.0005).unwrap(),
        false => f0,
    };
    let source = vocoder.source(&phased).unwrap();
    set(record, segment(Stage::VocoderSource), &source);
    let wav = vocoder
        .decode(mel, &source, Portion::Final, &mut NoTap)
        .unwrap();
    set(record, segment(Stage::VocoderWav), &wav);
    record.audio = wav.to_vec1().unwrap();
}

/// Writes a recording as another program would: no seal, no hashes, and only what it has.
pub fn hand_in(recording: &Recording, name: &str) -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("port");
    recording.write(&dir).unwrap();
    let manifest = json!({
        "format": 1,
        "engine": {"name": name, "version": "0.1", "command": format!("./{name} --case {{case}}")},
        "device": "cpu",
        "precision": "f32",
        "lm_weights": "llm.pt",
        "model": serde_json::to_value(&recording.manifest.model).unwrap(),
    });
    write_json(&dir.join("manifest.json"), &manifest);
    for (case, record) in &recording.cases {
        if record.audio.is_empty() {
            std::fs::remove_file(dir.join(case).join("audio.wav")).unwrap();
        }
    }
    parent
}

pub fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

pub fn parity(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parity"))
        .args(arguments)
        .current_dir(workspace())
        .output()
        .unwrap()
}

/// `parity diff` of the five cases: what the terminal shows, and the page.
pub fn diff(parent: &Path) -> (Option<i32>, String, String) {
    let (dir, page) = (parent.join("port"), parent.join("page.html"));
    let mut arguments = vec!["diff", "golden/tiny-7"];
    arguments.extend([dir.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    for case in CASES {
        arguments.extend(["--case", case]);
    }
    let output = parity(&arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let page = std::fs::read_to_string(page).unwrap_or_else(|_| panic!("no page: {errors}"));
    (output.status.code(), said, page)
}
