//! The language model's weight files: the same weights are the same model in every format, and
//! the two sets of them are told apart.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::model;
use candle_core::{Device, Tensor};
use native::engine::Engine;
use native::llm::{LmPrompt, Sampler, SpeechLm, Strategy};
use native::model_dir::{LmWeights, ModelDir};
use native::precision::Precision;
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use parity::judge::{Evaluation, Tolerances};
use parity::record::NativeRecorder;
use parity::recording::{Reader, Recording};
use parity::report::build_report;
use parity::stage::Feed;
use tempfile::TempDir;

/// A model directory with nothing but a configuration and one of the weight files.
fn with_only(file: &str, contents: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("CosyVoice-BlankEN")).unwrap();
    for name in ["cosyvoice3.yaml", "CosyVoice-BlankEN/config.json"] {
        fs::copy(model::tiny().join(name), dir.path().join(name)).unwrap();
    }
    fs::copy(contents, dir.path().join(file)).unwrap();
    dir
}

/// A weight file of the model in the other format.
fn as_safetensors(pt: &str, folder: &Path) -> PathBuf {
    let tensors = candle_core::pickle::read_all(model::tiny().join(pt)).unwrap();
    let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    let path = folder.join(pt).with_extension("safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

fn tokens(model: &Path, choice: LmWeights) -> Vec<u32> {
    let dir = ModelDir::open(model).unwrap();
    let weights = dir.lm_weights(choice).unwrap();
    let lm = SpeechLm::load(
        &dir.config().llm,
        &dir.config().qwen,
        &weights,
        &Device::Cpu,
        Precision::F32,
    )
    .unwrap();
    let prompt = LmPrompt {
        prompt_text_ids: vec![2610, 525, 151_646],
        text_ids: vec![9707, 1052, 11, 419, 374, 264, 2805, 1273, 13],
        prompt_speech_tokens: vec![1, 2000, 6560],
    };
    let strategy = Strategy::Torch {
        seed: 10,
        multinomial: Multinomial::MklStream,
    };
    let mut sampler = Sampler::new(strategy, lm.config().sampling);
    lm.generate(&prompt, &mut sampler, &mut NoTap)
        .unwrap()
        .tokens
}

#[test]
fn the_same_weights_are_the_same_model_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut by_set = Vec::new();
    for (pt, [base, base_safe, rl, rl_safe]) in ["llm.pt", "llm.rl.pt"].map(|pt| {
        // Whatever the contents, the name is only a name.
        let names = [
            "llm.pt",
            "llm.safetensors",
            "llm.rl.pt",
            "llm.rl.safetensors",
        ];
        (pt, names)
    }) {
        let torch = model::tiny().join(pt);
        let safe = as_safetensors(pt, folder.path());
        let of =
            |file: &str, contents: &Path, choice| tokens(with_only(file, contents).path(), choice);
        let expected = of(base, &torch, LmWeights::Base);
        assert!(expected.len() >= 5, "{expected:?}");
        // The rule of the reference takes llm.pt, and llm.safetensors where only that is there.
        assert_eq!(of(base, &torch, LmWeights::Reference), expected);
        assert_eq!(of(base_safe, &safe, LmWeights::Reference), expected);
        assert_eq!(of(base_safe, &safe, LmWeights::BaseSafetensors), expected);
        assert_eq!(of(rl, &torch, LmWeights::Rl), expected);
        assert_eq!(of(rl_safe, &safe, LmWeights::RlSafetensors), expected);
        by_set.push(expected);
    }
    assert_ne!(by_set[0], by_set[1], "base and RL are two models");
}

#[test]
fn weights_that_were_not_asked_for_are_not_taken() {
    let dir = with_only("llm.rl.pt", &model::tiny().join("llm.rl.pt"));
    let model = ModelDir::open(dir.path()).unwrap();
    let error = model.lm_weights(LmWeights::Reference).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("llm.rl.pt is: choose it by name"),
        "{error}"
    );
}

#[test]
fn a_recording_says_which_weights_it_is_of() {
    let golden_dir = model::workspace().join("golden");
    let golden = Reader::open(golden_dir.join("tiny-7")).expect("the golden");
    let tolerances = Tolerances::load(golden_dir.join("tolerances.toml")).expect("the limits");
    let manifest = |lm_weights| {
        let builder = Engine::builder(model::tiny()).lm_weights(lm_weights);
        NativeRecorder::load(builder, "cpu", "f32")
            .unwrap()
            .manifest(Feed::Cascaded)
    };
    let (base, rl) = (manifest(LmWeights::Reference), manifest(LmWeights::Rl));
    assert_eq!(base.lm_weights.as_deref(), Some("llm.pt"));
    assert_eq!(rl.lm_weights.as_deref(), Some("llm.rl.pt"));
    let hash = |file| base.model.files[file].sha256.clone();
    assert_ne!(hash("llm.pt"), hash("llm.rl.pt"));

    let problem = |manifest| {
        let candidate = Recording {
            manifest,
            cases: Default::default(),
        };
        let evaluation = Evaluation {
            golden: &golden,
            isolated: None,
            cascaded: Some(&candidate),
            expected: None,
            tolerances: &tolerances,
            anyway: false,
        };
        let report = build_report(&evaluation, None, |_| String::new()).unwrap();
        report.cases[0].outcome.problem.clone()
    };
    assert_eq!(problem(base), None);
    let reason = problem(rl).expect("other weights are no candidate");
    assert!(
        reason.contains("uses llm.pt, the candidate's uses llm.rl.pt"),
        "{reason}"
    );
}
