//! Fourteen mistakes of ports, each as a recording of five cases by another program: the stage at
//! fault stands in the first lines of the terminal and at the top of the page.

use native::audio::Waveform;
use native::engine::Engine;
use native::llm::SamplingConfig;
use native::voice::PartialWindow;
use parity::diagnosis::Cause;
use parity::recording::{CaseRecord, Recording, RecordingSource as _};
use parity::stage::{Key, Stage};

use super::port::{
    Late, Rules, altered_model, diff, engine, force_logits, golden, hand_in, load, record, sample,
    set, set_ids, sound, speak, tensor, vocode,
};
use crate::model::{tiny, workspace};

/// A port with a mistake is told by the stage, and by the mistake where it has signs of its own.
fn assert_named(recording: &Recording, stage: &str, cause: Option<Cause>) {
    let parent = hand_in(recording, "port");
    let (code, said, page) = diff(parent.path());
    assert_eq!(code, Some(2), "{said}");
    let first: Vec<&str> = said.lines().take(5).collect();
    let first = first.join("\n");
    println!("{first}\n");
    assert!(
        first.contains(stage),
        "{stage} is not in the first lines of:\n{said}"
    );
    let top = page.split("<main>").next().unwrap();
    let top = top.split("<header>").nth(1).unwrap();
    assert!(
        top.contains(stage),
        "{stage} is not at the top of the page: {top}"
    );
    if let Some(cause) = cause {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words(&first).contains(cause.words()),
            "{} is not in:\n{said}",
            cause.words()
        );
        let escaped = top.replace("&#x27;", "'").replace("&#x2f;", "/");
        assert!(words(&escaped).contains(cause.words()), "{top}");
    }
    // The page reproduces the port's case, not native's.
    assert!(page.contains("./port --case") || page.contains(".&#x2f;port --case"));
    assert!(!page.contains("parity report --"));
}

fn each(mut recording: Recording, change: impl Fn(&mut CaseRecord)) -> Recording {
    recording.cases.values_mut().for_each(change);
    recording
}

fn sampled(rules: Rules) -> Recording {
    each(sound(), |case| sample(engine(), case, &rules))
}

#[test]
fn a_port_without_a_mistake_lacks_nothing_that_would_make_it_fail() {
    let parent = hand_in(&sound(), "port");
    let (code, said, _) = diff(parent.path());
    assert_eq!(code, Some(0), "{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it has no hashes of its files"), "{said}");
}

#[test]
fn top_p() {
    let sampling = SamplingConfig {
        top_p: 1.0,
        ..SamplingConfig::default()
    };
    let port = sampled(Rules {
        sampling,
        ..Rules::default()
    });
    assert_named(&port, "llm.tokens", Some(Cause::NoTopP));
}

#[test]
fn top_k() {
    let sampling = SamplingConfig {
        top_k: 6761,
        ..SamplingConfig::default()
    };
    let port = sampled(Rules {
        sampling,
        ..Rules::default()
    });
    assert_named(&port, "llm.tokens", Some(Cause::NoTopK));
}

#[test]
fn window() {
    let sampling = SamplingConfig {
        tau_r: 1.0,
        ..SamplingConfig::default()
    };
    let port = sampled(Rules {
        sampling,
        ..Rules::default()
    });
    assert_named(&port, "llm.tokens", Some(Cause::NoWindow));
}

#[test]
fn stop_ids() {
    let port = sampled(Rules {
        ends: |id| id == 6562,
        ..Rules::default()
    });
    assert_named(&port, "llm.tokens", Some(Cause::NoStopIds));
}

#[test]
fn minimum() {
    let port = sampled(Rules {
        minimum: false,
        ..Rules::default()
    });
    assert_named(&port, "llm.tokens", Some(Cause::NoMinimum));
}

#[test]
fn silence_rule() {
    let port = each(sound(), |case| {
        let raw = super::port::ids(case, &Key::segment(Stage::LlmTokens, 0));
        set_ids(case, Stage::LlmTokensKept, &raw);
        speak(engine(), case, Late::default());
    });
    assert_named(&port, "llm.tokens_kept", Some(Cause::NoSilenceRule));
}

#[test]
fn rope() {
    let config = "CosyVoice-BlankEN/config.json";
    let text = std::fs::read_to_string(tiny().join(config)).unwrap();
    let line = text
        .lines()
        .find(|l| l.contains("rope_theta"))
        .expect("a base");
    let other = line.replace("1000000", "10000");
    let model = altered_model(config, line, &other);
    let wrong = load(Engine::builder(model.path()));
    let golden = golden();
    let port = each(sound(), |case| {
        let reference = golden.case(case.name()).unwrap();
        force_logits(&wrong, case, &reference);
        sample(&wrong, case, &Rules::default());
    });
    assert_named(&port, "llm.logits", Some(Cause::LanguageModel));
}

#[test]
fn resampler() {
    // To 24 kHz by straight lines between the samples.
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts");
    std::fs::create_dir(&prompts).unwrap();
    for entry in std::fs::read_dir(workspace().join("golden/prompts")).unwrap() {
        let path = entry.unwrap().path();
        let sound = Waveform::read(&path).unwrap();
        let step = f64::from(sound.sample_rate) / 24_000.0;
        let count = (sound.samples.len() as f64 / step) as usize;
        let at = |i: usize| {
            let place = i as f64 * step;
            let before = place as usize;
            let x = |i: usize| sound.samples.get(i).copied().unwrap_or(0.0);
            let share = (place - before as f64) as f32;
            x(before) * (1.0 - share) + x(before + 1) * share
        };
        let samples: Vec<f32> = (0..count).map(at).collect();
        let bytes = parity::wav::encode(&samples, 24_000).unwrap();
        std::fs::write(prompts.join(path.file_name().unwrap()), bytes).unwrap();
    }
    let port = record(Some(folder.path()));
    assert_named(&port, "prompt.mel", Some(Cause::Resampler));
}

#[test]
fn mel_norm() {
    // Slaney's filters divided by their width, undone: a constant for each channel of the log.
    let hz = |mel: f64| match mel {
        m if m < 15.0 => m * 200.0 / 3.0,
        m => 1000.0 * ((m - 15.0) * 6.4f64.ln() / 27.0).exp(),
    };
    let most = 15.0 + 27.0 * 12f64.ln() / 6.4f64.ln();
    let edge = |i: usize| hz(most * i as f64 / 81.0);
    let constant = |channel: usize| ((edge(channel + 2) - edge(channel)) / 2.0).ln() as f32;
    let port = each(sound(), |case| {
        let key = Key::whole(Stage::PromptMel);
        let mel = &case.tensors[&key];
        let values = mel.as_f32().unwrap().iter().enumerate();
        let floor = 1e-5f32.ln();
        let scaled = values
            .map(|(i, x)| (x + constant(i % 80)).max(floor))
            .collect();
        let scaled = parity::array::Array::f32(mel.shape().to_vec(), scaled).unwrap();
        case.tensors.insert(key, scaled);
        speak(engine(), case, Late::default());
    });
    assert_named(&port, "prompt.mel", Some(Cause::MelNorm));
}

#[test]
fn speaker_pooling() {
    let wrong = load(Engine::builder(tiny()).pooling(PartialWindow::TrueCount));
    let port = each(sound(), |case| {
        let fbank = tensor(case, &Key::whole(Stage::PromptFbank));
        let embedding = wrong.speaker_encoder().embedding(&fbank).unwrap();
        set(case, Key::whole(Stage::PromptSpeakerEmbedding), &embedding);
        speak(&wrong, case, Late::default());
    });
    assert_named(
        &port,
        "prompt.speaker_embedding",
        Some(Cause::SpeakerPooling),
    );
}

#[test]
fn guidance() {
    let model = altered_model(
        "cosyvoice3.yaml",
        "inference_cfg_rate: 0.7",
        "inference_cfg_rate: 0.0",
    );
    let wrong = load(Engine::builder(model.path()));
    let port = each(sound(), |case| speak(&wrong, case, Late::default()));
    assert_named(&port, "flow.step.01", Some(Cause::Guidance));
}

#[test]
fn one_euler_step() {
    let late = Late {
        one_step: true,
        ..Late::default()
    };
    let port = each(sound(), |case| speak(engine(), case, late));
    assert_named(&port, "flow.step.01", Some(Cause::FewerSteps));
}

#[test]
fn phase() {
    let late = Late {
        phase_drifts: true,
        ..Late::default()
    };
    let port = each(sound(), |case| {
        let mel = tensor(case, &Key::segment(Stage::FlowMel, 0));
        vocode(engine(), case, &mel, late);
    });
    assert_named(&port, "vocoder.source", Some(Cause::Phase));
}

#[test]
fn padding_side() {
    let late = Late {
        f0_padded_left: true,
        ..Late::default()
    };
    let port = each(sound(), |case| {
        let mel = tensor(case, &Key::segment(Stage::FlowMel, 0));
        vocode(engine(), case, &mel, late);
    });
    assert_named(&port, "vocoder.f0", Some(Cause::PaddingSide));
}
