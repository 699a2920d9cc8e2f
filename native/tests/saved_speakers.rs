//! `data/spk2info.pt` was written by `torch.save` (torch 2.3.1), its tensors being sliced,
//! transposed and shared as those of the reference's `add_zero_shot_spk`:
//!
//! - text ids [9707, 151646, s] and speech tokens [6560, 7], where s is 1 for `anna` and 2 for
//!   `中文女`;
//! - mel [frame, channel] = (5 · channel + frame) / 8 + s, 4 frames;
//! - embedding [i] = i / 64 − s;
//! - a third speaker, `sft`, is of CosyVoice 1's kind and has nothing but an embedding.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use native::model_dir::{SavedSpeaker, SavedSpeakers};
use native::voice::VoicePrompt;
use tempfile::TempDir;

fn by_torch() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/spk2info.pt")
}

fn assert_is(speaker: &SavedSpeaker, s: u32) {
    assert_eq!(speaker.prompt_text_ids, [9707, 151_646, s]);
    assert_eq!(speaker.voice.speech_tokens, [6560, 7]);
    let mel = speaker.voice.mel.to_vec2::<f32>().unwrap();
    assert_eq!(mel.len(), 4);
    for (frame, row) in mel.iter().enumerate() {
        assert_eq!(row.len(), 80);
        for (channel, &value) in row.iter().enumerate() {
            assert_eq!(value, (5 * channel + frame) as f32 / 8.0 + s as f32);
        }
    }
    let embedding = speaker.voice.speaker_embedding.to_vec1::<f32>().unwrap();
    assert_eq!(embedding.len(), 192);
    for (i, value) in embedding.into_iter().enumerate() {
        assert_eq!(value, i as f32 / 64.0 - s as f32);
    }
}

#[test]
fn what_torch_saved_is_read() {
    let speakers = SavedSpeakers::open(&by_torch()).unwrap();
    assert_eq!(
        speakers.names().collect::<Vec<_>>(),
        ["anna", "中文女", "sft"]
    );
    assert_is(&speakers.get("anna").unwrap(), 1);
    assert_is(&speakers.get("中文女").unwrap(), 2);
}

#[test]
fn what_is_saved_is_read_again_with_all_that_was_there_before() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("spk2info.pt");
    fs::copy(by_torch(), &path).unwrap();
    let mut speakers = SavedSpeakers::open(&path).unwrap();
    let anna = speakers.get("anna").unwrap();
    speakers.add("bob", &anna).unwrap();
    speakers.save().unwrap();
    let again = SavedSpeakers::open(&path).unwrap();
    assert_eq!(
        again.names().collect::<Vec<_>>(),
        ["anna", "中文女", "sft", "bob"]
    );
    assert_is(&again.get("bob").unwrap(), 1);
    // Replaced, a speaker keeps its place, as in a dictionary of Python.
    speakers.add("anna", &anna).unwrap();
    assert_eq!(speakers.names().next(), Some("anna"));
    assert_is(&again.get("中文女").unwrap(), 2);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing unfinished is left"
    );
}

#[test]
fn without_a_file_the_collection_is_empty_until_it_is_saved() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("spk2info.pt");
    let mut speakers = SavedSpeakers::open(&path).unwrap();
    assert_eq!(speakers.names().count(), 0);
    let error = speakers.get("anna").unwrap_err().to_string();
    assert!(error.contains("anna") && error.contains("none"), "{error}");
    let silent = SavedSpeaker {
        prompt_text_ids: Vec::new(),
        voice: VoicePrompt {
            speech_tokens: Vec::new(),
            mel: Tensor::zeros((0, 80), candle_core::DType::F32, &Device::Cpu).unwrap(),
            speaker_embedding: Tensor::zeros(192, candle_core::DType::F32, &Device::Cpu).unwrap(),
        },
    };
    assert!(speakers.add("", &silent).is_err());
    speakers.add("nobody", &silent).unwrap();
    speakers.save().unwrap();
    let read = SavedSpeakers::open(&path).unwrap().get("nobody").unwrap();
    assert_eq!(read.voice.mel.dims(), [0, 80]);
}

#[test]
fn a_speaker_of_another_kind_is_an_error_that_says_what_is_missing() {
    let speakers = SavedSpeakers::open(&by_torch()).unwrap();
    let error = speakers.get("sft").unwrap_err().to_string();
    assert!(
        error.contains("sft") && error.contains("flow_prompt_speech_token"),
        "{error}"
    );
    let error = speakers.get("carl").unwrap_err().to_string();
    assert!(error.contains("anna, 中文女, sft"), "{error}");
}

#[test]
fn damaged_files_are_errors() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("spk2info.pt");
    let whole = fs::read(by_torch()).unwrap();
    fs::write(&path, b"no zip").unwrap();
    assert!(SavedSpeakers::open(&path).is_err());
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = SavedSpeakers::open(&path).unwrap_err().to_string();
        assert!(error.contains("spk2info.pt"), "{error}");
    }
}
