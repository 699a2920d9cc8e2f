//! Weights that are read and cannot be computed with.

use candle_core::{Device, Tensor as Values};
use native::model_dir::SavedSpeakers;
use native::precision::Precision;
use native::weights::Weights;

use super::torch::{Tensor, archive, int, one, six, state, text, tuple};

/// Six numbers with another one in place of the n-th.
fn data(n: usize, value: f32) -> Vec<u8> {
    let mut data = six();
    data[4 * n..4 * n + 4].copy_from_slice(&value.to_le_bytes());
    data
}

#[test]
fn a_weight_that_is_not_finite_or_does_not_fit_is_named_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flow.pt");
    let mut tried = 0;
    for (value, precision, expected) in [
        (f32::NAN, Precision::F32, "holds a value that is not finite"),
        (
            f32::INFINITY,
            Precision::F32,
            "holds a value that is not finite",
        ),
        (
            f32::NEG_INFINITY,
            Precision::Bf16,
            "holds a value that is not finite",
        ),
        (f32::NAN, Precision::F16, "holds a value that is not finite"),
        (7e4, Precision::F16, "holds 7e4, which f16 cannot represent"),
        (
            -7e4,
            Precision::F16,
            "holds 7e4, which f16 cannot represent",
        ),
        (
            f32::MAX,
            Precision::Bf16,
            "holds 3.4028234663852886e38, which bf16 cannot represent",
        ),
        (7e4, Precision::F32, ""),
        (7e4, Precision::Bf16, ""),
        (65_504.0, Precision::F16, ""),
    ] {
        for n in [0, 5] {
            let file = archive(&[
                ("archive/data.pkl", &one(&Tensor::default())),
                ("archive/data/0", &data(n, value)),
            ]);
            std::fs::write(&path, file).unwrap();
            let weights = Weights::open(&path).unwrap();
            let tensor = weights
                .builder(precision, &Device::Cpu)
                .get((2, 3), "a.weight");
            let result: Result<Values, _> = weights.finish(tensor, |_| false);
            let error = result.err().map(|e| e.to_string()).unwrap_or_default();
            if expected.is_empty() {
                assert_eq!(error, "", "{value} as {precision:?}");
                continue;
            }
            let expected = format!("flow.pt: tensor `a.weight` {expected}");
            assert!(
                error.contains(&expected),
                "{value} as {precision:?}: {error}"
            );
            tried += 1;
        }
    }
    println!("{tried} weights refused");
}

#[test]
fn a_saved_speaker_with_a_value_that_is_not_finite_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spk2info.pt");
    let ids = Tensor {
        class: "IntStorage",
        key: "1",
        elements: int(1),
        shape: tuple(&[1, 1]),
        strides: tuple(&[1, 1]),
        ..Tensor::default()
    };
    let mel = Tensor {
        shape: tuple(&[1, 2, 3]),
        strides: tuple(&[6, 3, 1]),
        ..Tensor::default()
    };
    let mut record = b"}(".to_vec();
    for (key, tensor) in [
        ("prompt_text", &ids),
        ("llm_prompt_speech_token", &ids),
        ("flow_prompt_speech_token", &ids),
        ("prompt_speech_feat", &mel),
    ] {
        record.extend(text(key));
        record.extend(tensor.code());
    }
    record.push(b'u');
    let file = archive(&[
        ("archive/data.pkl", &state(&[("anna", record)])),
        ("archive/data/0", &data(3, f32::NAN)),
        ("archive/data/1", &7_i32.to_le_bytes()),
    ]);
    std::fs::write(&path, file).unwrap();
    let error = SavedSpeakers::open(&path).unwrap().get("anna").unwrap_err();
    let expected = "speaker `anna`: `prompt_speech_feat` holds a value that is not finite";
    assert!(error.to_string().contains(expected), "{error}");
}
