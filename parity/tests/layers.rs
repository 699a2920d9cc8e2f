//! The layers of the networks: the committed case is in parity layer by layer, and a wrong layer is
//! named.

use std::collections::HashMap;
use std::path::Path;

use crate::model;
use candle_core::{DType, Tensor, safetensors};
use native::engine::Engine;
use parity::exit::Exit;
use parity::judge::Tolerances;
use parity::layers::{LayerReport, Network, compare_layers};
use parity::record::NativeRecorder;
use parity::recording::Reader;

fn layers_of(model_dir: &Path, network: Network) -> LayerReport {
    let golden_dir = model::workspace().join("golden");
    let golden = Reader::open(golden_dir.join("tiny-7-layers")).expect("the golden");
    let tolerances = Tolerances::load(golden_dir.join("tolerances.toml")).expect("the limits");
    let recorder = NativeRecorder::load(Engine::builder(model_dir), "cpu", "f32");
    let mut recorder = recorder.expect("the model loads");
    compare_layers(&mut recorder, &golden, &[network], &tolerances).expect("the networks run")
}

/// The first layer that departs in the only network that was compared.
fn first(report: &LayerReport) -> Option<String> {
    report.networks[0].first.as_ref().map(ToString::to_string)
}

/// A copy of the tiny model, of hard links, for a test to spoil a file of.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    link(model::tiny(), dir.path());
    dir
}

fn link(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() {
            link(&path, &to.join(name));
        } else {
            // The model and the build's folder may lie on different file systems.
            std::fs::hard_link(&path, to.join(&name))
                .or_else(|_| std::fs::copy(&path, to.join(&name)).map(drop))
                .unwrap();
        }
    }
}

/// Scales one tensor of a checkpoint by 1.01, and puts it in the place of the old one.
fn spoil(dir: &Path, checkpoint: &str, tensor: &str) {
    let path = dir.join(checkpoint);
    let tensors = candle_core::pickle::read_all(&path).unwrap();
    let mut tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    let spoiled = tensors.get(tensor).expect("there is such a tensor");
    let spoiled = (spoiled.to_dtype(DType::F32).unwrap() * 1.01).unwrap();
    tensors.insert(tensor.to_owned(), spoiled);
    std::fs::remove_file(&path).unwrap();
    let to = path.with_extension("safetensors");
    safetensors::save(&tensors, to).unwrap();
}

#[test]
fn no_layer_of_the_networks_departs() {
    for network in Network::ALL {
        let report = layers_of(model::tiny(), network);
        assert_eq!(first(&report), None, "{:#?}", report.networks[0].layers);
        assert_eq!(report.exit(), Exit::Parity);
        assert!(report.networks[0].layers.len() >= 15);
    }
}

#[test]
fn a_wrong_base_of_the_rotary_embedding_is_found_in_the_first_layer() {
    let dir = copy();
    let config = dir.path().join("CosyVoice-BlankEN/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["rope_theta"] = 10_000.0.into();
    std::fs::remove_file(&config).unwrap();
    std::fs::write(&config, json.to_string()).unwrap();
    let report = layers_of(dir.path(), Network::Llm);
    let departs = first(&report).unwrap();
    assert_eq!(departs, "llm.logits/layer.00.attention.q_rotary[0]");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(
        report.notes[0].contains("config.json"),
        "{:?}",
        report.notes
    );
}

#[test]
fn a_wrong_weight_of_a_layer_is_found_in_it() {
    let dir = copy();
    spoil(
        dir.path(),
        "llm.pt",
        "llm.model.model.layers.1.mlp.up_proj.weight",
    );
    let departs = first(&layers_of(dir.path(), Network::Llm)).unwrap();
    assert_eq!(departs, "llm.logits/layer.01.mlp[0]");
}

#[test]
fn a_wrong_weight_of_a_block_of_the_flow_is_found_in_it() {
    let dir = copy();
    let tensor = "decoder.estimator.transformer_blocks.1.attn.to_out.0.weight";
    spoil(dir.path(), "flow.pt", tensor);
    let departs = first(&layers_of(dir.path(), Network::Flow)).unwrap();
    assert_eq!(departs, "flow.step.01/block.01.attention[0]");
}

#[test]
fn a_wrong_weight_of_a_block_of_the_vocoder_is_found_in_it() {
    let dir = copy();
    spoil(dir.path(), "hift.pt", "resblocks.4.convs1.0.bias");
    let departs = first(&layers_of(dir.path(), Network::Vocoder)).unwrap();
    assert_eq!(departs, "vocoder.wav/resblock.1.1[0]");
}
