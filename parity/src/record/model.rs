use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::recording::{Error, ModelInfo, sha256_file};

/// The files of a model directory that decide what is synthesised. `CosyVoice-BlankEN`'s own
/// weights are not among them: `llm.pt` replaces every one.
const FILES: [&str; 17] = [
    "cosyvoice3.yaml",
    "llm.pt",
    "llm.safetensors",
    "llm.rl.pt",
    "llm.rl.safetensors",
    "flow.pt",
    "flow.safetensors",
    "hift.pt",
    "hift.safetensors",
    "campplus.onnx",
    "speech_tokenizer_v3.onnx",
    "spk2info.pt",
    "CosyVoice-BlankEN/config.json",
    "CosyVoice-BlankEN/vocab.json",
    "CosyVoice-BlankEN/merges.txt",
    "CosyVoice-BlankEN/tokenizer.json",
    "CosyVoice-BlankEN/tokenizer_config.json",
];

#[derive(Deserialize)]
struct Fixture {
    size: String,
    seed: u64,
}

/// What a manifest says about the model in `dir`: a name, and the hashes of those of its files
/// that decide what is synthesised. Reads every byte of them.
///
/// The name is `SIZE-SEED` for a fixture, and the directory's for any other model.
pub fn describe_model(dir: &Path) -> Result<ModelInfo, Error> {
    let mark = std::fs::read(dir.join("fixture.json")).ok();
    let fixture = mark.and_then(|mark| serde_json::from_slice::<Fixture>(&mark).ok());
    let id = match fixture {
        Some(Fixture { size, seed }) => format!("{size}-{seed}"),
        None => std::path::absolute(dir)
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().to_lowercase()))
            .unwrap_or_else(|| "model".into()),
    };
    let mut files = BTreeMap::new();
    for name in FILES {
        let path = dir.join(name);
        if path.is_file() {
            files.insert(name.to_owned(), sha256_file(&path)?);
        }
    }
    Ok(ModelInfo { id, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_is_named_by_size_and_seed_and_only_known_files_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("llm.pt"), "abc").unwrap();
        std::fs::write(dir.path().join("README.md"), "about").unwrap();
        let plain = describe_model(dir.path()).unwrap();
        assert_eq!(plain.files.keys().collect::<Vec<_>>(), ["llm.pt"]);
        // The SHA-256 of "abc" is a published test vector.
        let published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(plain.files["llm.pt"].sha256, published);
        assert_eq!(plain.files["llm.pt"].bytes, 3);

        let mark = r#"{"recipe":1,"size":"tiny","seed":7}"#;
        std::fs::write(dir.path().join("fixture.json"), mark).unwrap();
        assert_eq!(describe_model(dir.path()).unwrap().id, "tiny-7");
    }
}
