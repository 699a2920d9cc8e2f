use std::path::Path;

use crate::recording::{Error, FileHash, Model, sha256_file};

/// The files of a model directory that decide what is synthesised. One that is absent is not
/// listed, for a directory holds either the `.pt` or the `.safetensors` of a weight file.
const FILES: [&str; 13] = [
    "cosyvoice3.yaml",
    "llm.pt",
    "llm.safetensors",
    "flow.pt",
    "flow.safetensors",
    "hift.pt",
    "hift.safetensors",
    "campplus.onnx",
    "speech_tokenizer_v3.onnx",
    "CosyVoice-BlankEN/config.json",
    "CosyVoice-BlankEN/vocab.json",
    "CosyVoice-BlankEN/merges.txt",
    "spk2info.pt",
];

/// The identity of the model in `dir`: its folder's name, and the hash of every file that counts.
pub fn model_files(dir: &Path) -> Result<Model, Error> {
    let whole = std::path::absolute(dir).map_err(|source| Error::Io { path: dir.into(), source })?;
    let id = whole.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut files = std::collections::BTreeMap::<String, FileHash>::new();
    for name in FILES {
        let path = dir.join(name);
        if path.exists() {
            files.insert(name.to_owned(), sha256_file(&path)?);
        }
    }
    Ok(Model { id, files })
}
