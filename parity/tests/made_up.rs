//! Recordings made up for tests: right in every shape, wrong in no value.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::path::Path;

use parity::array::Array;
use parity::case::{Case, Keep, Mode, Text};
use parity::judge::{Evaluation, Tolerances};
use parity::metric::Noise;
use parity::recording::{
    CaseRecord, EngineInfo, FileHash, Manifest, ModelInfo, RecordedCase, Recording, SegmentText,
    TextRecord, sha256,
};
use parity::report::{Report, Shard, build_report};
use parity::stage::{Key, Stage, ValueKind};
use parity_fixture::testing::white_noise;

/// Frames of mel in each made-up segment.
pub const FRAMES: usize = 12;
const VOCABULARY: usize = 40;
const HOP: usize = 480;

/// A recording of two zero-shot cases, `first` with one segment and `second` with two.
pub fn recording(engine: &str) -> Recording {
    let files = BTreeMap::from([(
        "llm.pt".into(),
        FileHash {
            sha256: sha256(b"weights"),
            bytes: 7,
        },
    )]);
    let engine = EngineInfo {
        name: engine.into(),
        version: "1.0".into(),
        commit: None,
        command: None,
    };
    let manifest = Manifest::new(
        engine,
        ModelInfo {
            id: "tiny".into(),
            files,
            settings: BTreeMap::new(),
        },
    );
    let cases: BTreeMap<_, _> = [case("first", 1), case("second", 2)]
        .map(|c| (c.name().to_owned(), c))
        .into();
    let listed = cases
        .keys()
        .map(|name| (name.clone(), Default::default()))
        .collect();
    Recording {
        manifest: Manifest {
            lm_weights: Some("llm.pt".into()),
            cases: listed,
            ..manifest
        },
        cases,
    }
}

/// The limits that the goldens are held to.
pub fn tolerances() -> Tolerances {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Tolerances::load(root.join("golden/tolerances.toml")).unwrap()
}

/// What is reported of a candidate under both feeds.
pub fn report(
    golden: &Recording,
    isolated: &Recording,
    cascaded: &Recording,
    shard: Option<Shard>,
) -> Report {
    let evaluation = Evaluation {
        golden,
        isolated: Some(isolated),
        cascaded: Some(cascaded),
        expected: None,
        tolerances: &tolerances(),
        anyway: false,
    };
    build_report(&evaluation, shard, |case| {
        format!("parity report --case {case}")
    })
    .unwrap()
}

/// A recording by the reference at the commit that the tolerances were made for.
pub fn golden() -> Recording {
    let mut golden = recording("python");
    golden.manifest.engine.commit = Some("ace7c47f41bbd303aa6bf1ea80e6f9fbd595cd40".into());
    let libraries = [
        ("torch", "2.3.1"),
        ("onnxruntime", "1.18.0"),
        ("wetext", "0.1.8"),
    ];
    golden.manifest.sources =
        BTreeMap::from([("cosyvoice/cli/cosyvoice.py".into(), sha256(b"source"))]);
    golden.manifest.libraries = libraries.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    golden
}

/// The same with a streamed case, and one of voice conversion.
pub fn golden_of_all_modes() -> Recording {
    let mut golden = golden();
    let mut streamed = Case {
        stream: true,
        ..zero_shot("third")
    };
    streamed.seed = 4;
    let mut streamed = record(streamed, 1);
    streamed.audio = wave(FRAMES * HOP, 9);
    let chunks = [3, 4, 5].map(|frames| (frames * HOP) as i64);
    streamed
        .tensors
        .insert(Key::whole(Stage::SpeechChunks), Array::ids(chunks.into()));
    let converted = Case {
        mode: Mode::Vc {
            source_wav: "prompts/b.wav".into(),
        },
        ..zero_shot("fourth")
    };
    let mut converted = record(converted, 0);
    converted.case.source_wav_sha256 = Some(sha256(b"source"));
    converted.text = TextRecord::default();
    for case in [streamed, converted] {
        let name = case.name().to_owned();
        golden
            .manifest
            .cases
            .insert(name.clone(), Default::default());
        golden.cases.insert(name, case);
    }
    golden
}

fn case(name: &str, segments: usize) -> CaseRecord {
    record(zero_shot(name), segments)
}

fn zero_shot(name: &str) -> Case {
    Case {
        name: name.into(),
        mode: Mode::ZeroShot {
            text: Text::Whole("Hello there. How are you?".into()),
            prompt_text: "Good morning.".into(),
        },
        prompt_wav: "prompts/a.wav".into(),
        speaker: None,
        lm_weights: None,
        seed: 3,
        stream: false,
        speed: 1.0,
        keep: Keep::Everything,
    }
}

fn record(case: Case, segments: usize) -> CaseRecord {
    let texts = ["hello there.", "how are you?"];
    let segments: Vec<SegmentText> = texts[..segments]
        .iter()
        .map(|t| SegmentText {
            text: (*t).into(),
            ids: t.bytes().map(i64::from).collect(),
        })
        .collect();
    let text = TextRecord {
        prompt_text: Some("good morning.".into()),
        prompt_ids: vec![5, 9, 11],
        segments,
        warnings: vec![],
    };
    let recorded = RecordedCase {
        case,
        prompt_wav_sha256: sha256(b"wav"),
        source_wav_sha256: None,
    };
    let mut record = CaseRecord {
        case: recorded,
        text,
        tensors: BTreeMap::new(),
        noise: BTreeMap::new(),
        audio: vec![],
        unrecorded: Default::default(),
    };
    let stages = Stage::all().filter(|s| s.is_tensor() && record.case.case.has(*s));
    for (seed, key) in stages
        .flat_map(|s| record.keys(s))
        .enumerate()
        .collect::<Vec<_>>()
    {
        let array = array(key.stage, seed);
        if array.as_f32().is_some() {
            record.noise.insert(key.clone(), noise(&array));
        }
        record.tensors.insert(key, array);
    }
    let wavs = record.keys(Stage::VocoderWav);
    record.audio = wavs
        .iter()
        .filter_map(|k| record.tensors.get(k)?.as_f32())
        .flatten()
        .copied()
        .collect();
    record
}

fn array(stage: Stage, seed: usize) -> Array {
    let floats = |shape: &[usize]| {
        let n = shape.iter().product();
        Array::f32(shape, wave(n, seed)).unwrap()
    };
    match stage {
        Stage::PromptMel | Stage::PromptFbank => floats(&[FRAMES, 80]),
        Stage::PromptWhisperMel | Stage::SourceWhisperMel => floats(&[128, FRAMES]),
        Stage::PromptSpeakerEmbedding => floats(&[192]),
        Stage::LlmLogits => floats(&[3, VOCABULARY]),
        Stage::LlmLogitRows => Array::ids(vec![0, 2, 5]),
        Stage::FlowMel | Stage::FlowMu | Stage::FlowStep(_) => floats(&[80, FRAMES]),
        Stage::VocoderF0 => floats(&[FRAMES]),
        Stage::VocoderSource | Stage::VocoderWav => floats(&[FRAMES * HOP]),
        other => {
            assert_eq!(other.kind(), ValueKind::Tokens);
            Array::ids(
                (0..FRAMES as i64 / 2)
                    .map(|i| (i * i + seed as i64) % 40)
                    .collect(),
            )
        }
    }
}

/// Two sines and a little that looks random, within ±0.5.
fn wave(n: usize, seed: usize) -> Vec<f32> {
    white_noise(n, seed as u32 + 1)
        .into_iter()
        .enumerate()
        .map(|(i, random)| {
            let t = i as f32 / 24_000.0;
            0.3 * (TAU * 220.0 * t).sin() + 0.1 * (TAU * 1310.0 * t).sin() + 0.1 * random
        })
        .collect()
}

/// Float32 noise as it is met: 100 dB below the signal.
fn noise(array: &Array) -> Noise {
    let values = array.as_f32().unwrap();
    let power = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len() as f64;
    let rms = power.sqrt() * 1e-5;
    Noise {
        max_abs: 4.0 * rms,
        p999: 3.0 * rms,
        rms,
        nmse_db: -100.0,
    }
}
