//! CAM++ in small, as different exporters write it (`data/campplus`), against what onnxruntime and
//! PyTorch make of it.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use native::voice::{PartialWindow, SpeakerEncoder};
use serde::Deserialize;

const CHANNELS: usize = 80;

/// By frames.
type Embeddings = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Recorded {
    variants: Vec<Variant>,
    float64: Embeddings,
    /// By file.
    float32: BTreeMap<String, Embeddings>,
}

#[derive(Deserialize)]
struct Variant {
    file: String,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/campplus"))
}

fn recorded() -> Recorded {
    let text = std::fs::read_to_string(folder().join("recorded.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What `speaker_variants.features` in python_ref gives: exact in float32.
fn features(frames: usize) -> Tensor {
    let mut state = 7_u32;
    let values: Vec<f32> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f32::from(u16::try_from(state >> 16).unwrap()) - 32_768.0) / 4_096.0
    })
    .take(frames * CHANNELS)
    .collect();
    Tensor::from_vec(values, (frames, CHANNELS), &Device::Cpu).unwrap()
}

fn embedding(file: &str, frames: &str, pooling: PartialWindow) -> Vec<f32> {
    let encoder = SpeakerEncoder::load(&folder().join(file), pooling).unwrap();
    let fbank = features(frames.parse().unwrap());
    encoder.embedding(&fbank).unwrap().to_vec1().unwrap()
}

/// The norm of the difference over the norm of what is expected.
fn difference(value: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(value.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let pairs = value.iter().zip(expected);
    let error = norm(&mut pairs.map(|(&v, e)| f64::from(v) - e));
    error / norm(&mut expected.iter().copied())
}

#[test]
fn a_speaker_network_of_any_exporter_gives_the_embedding_of_onnxruntime_and_of_pytorch() {
    let recorded = recorded();
    assert!(recorded.variants.len() >= 7);
    for Variant { file } in &recorded.variants {
        for (frames, expected) in &recorded.float32[file] {
            let value = embedding(file, frames, PartialWindow::Ort118);
            let error = difference(&value, expected);
            assert!(
                error < 1e-5,
                "{file}, {frames} frames: {error:e} from onnxruntime"
            );
            let error = difference(&value, &recorded.float64[frames]);
            assert!(
                error < 1e-5,
                "{file}, {frames} frames: {error:e} from PyTorch"
            );
        }
    }
}

#[test]
fn the_pooling_of_every_variant_is_found_and_follows_the_switch() {
    for Variant { file } in &recorded().variants {
        let differ = |frames| {
            let value = embedding(file, frames, PartialWindow::TrueCount);
            difference(&value, &recorded().float32[file][frames])
        };
        assert!(differ("200") < 1e-5, "{file}: 200 frames are whole windows");
        assert!(
            differ("333") > 1e-3,
            "{file}: 333 frames end in a partial one"
        );
    }
}
