//! What is left where a download went wrong: a Git LFS pointer, a web page, nothing.

use std::fs;
use std::path::Path;

use native::model_dir::{ModelDir, SavedSpeakers};
use native::text::TextFrontend;
use native::voice::{PartialWindow, SpeakerEncoder, SpeechTokenizer};

use super::open_weights;
use super::tokenizer::without_normaliser;
use super::yaml::{QWEN, YAML};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
                       oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n\
                       size 2023316821\n";

fn open(path: &Path) -> Result<(), String> {
    let dir = path.parent().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    match name {
        "spk2info.pt" => SavedSpeakers::open(path)
            .map(|_| ())
            .map_err(|e| e.to_string()),
        "campplus.onnx" => SpeakerEncoder::load(path, PartialWindow::Ort118)
            .map(|_| ())
            .map_err(|e| e.to_string()),
        "speech_tokenizer_v3.onnx" => SpeechTokenizer::load(path)
            .map(|_| ())
            .map_err(|e| e.to_string()),
        "cosyvoice3.yaml" => ModelDir::open(dir).map(|_| ()).map_err(|e| e.to_string()),
        "config.json" => ModelDir::open(dir.parent().unwrap())
            .map(|_| ())
            .map_err(|e| e.to_string()),
        "tokenizer.json" | "vocab.json" | "merges.txt" | "tokenizer_config.json" => {
            TextFrontend::load(dir, None, without_normaliser())
                .map(|_| ())
                .map_err(|e| e.to_string())
        }
        _ => open_weights(path),
    }
}

#[test]
fn a_stand_in_for_a_file_is_named_as_such_whatever_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let qwen = dir.path().join("CosyVoice-BlankEN");
    fs::create_dir(&qwen).unwrap();
    let mut tried = 0;
    for name in [
        "llm.pt",
        "flow.pt",
        "hift.pt",
        "llm.safetensors",
        "spk2info.pt",
        "campplus.onnx",
        "speech_tokenizer_v3.onnx",
        "cosyvoice3.yaml",
        "CosyVoice-BlankEN/config.json",
        "CosyVoice-BlankEN/vocab.json",
        "CosyVoice-BlankEN/merges.txt",
        "CosyVoice-BlankEN/tokenizer_config.json",
        "CosyVoice-BlankEN/tokenizer.json",
    ] {
        fs::write(dir.path().join("cosyvoice3.yaml"), YAML).unwrap();
        fs::write(qwen.join("config.json"), QWEN).unwrap();
        fs::write(qwen.join("vocab.json"), r#"{"a": 0}"#).unwrap();
        fs::write(qwen.join("merges.txt"), "#version: 0.2\n").unwrap();
        let path = dir.path().join(name);
        for (content, expected) in [
            (
                POINTER,
                "is a Git LFS pointer, not the file itself: run `git lfs pull`",
            ),
            (
                "<!DOCTYPE html>\n<html><title>Not Found</title></html>",
                "is a web page",
            ),
            ("", "is empty"),
        ] {
            fs::write(&path, content).unwrap();
            let error = open(&path).unwrap_err();
            let file = path.file_name().unwrap().to_str().unwrap();
            assert!(
                error.contains(expected) && error.contains(file),
                "{name}: `{error}` does not say `{expected}`"
            );
            tried += 1;
        }
        fs::remove_file(&path).unwrap();
    }
    println!("{tried} stand-ins named");
}
