use std::collections::BTreeMap;
use std::path::Path;

use native::model_dir::ModelDir;
use parity_fixture::Mark;

use crate::recording::{Error, ModelInfo, sha256_file};

/// What a manifest says about a model: a name, and the hashes of the files that decide what is
/// synthesised, every byte of which is read.
///
/// The name is `SIZE-SEED` for a fixture, and the directory's for any other model.
///
/// # Errors
/// If a file cannot be read.
pub fn describe_model(model: &ModelDir) -> Result<ModelInfo, Error> {
    let info = describe(model.path(), &model.family().deciding_files())?;
    let settings = model.config().settings();
    Ok(ModelInfo { settings, ..info })
}

fn describe(dir: &Path, deciding: &[String]) -> Result<ModelInfo, Error> {
    let id = match Mark::read(dir) {
        Some(Mark { size, seed, .. }) => format!("{size}-{seed}"),
        None => std::path::absolute(dir)
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().to_lowercase()))
            .unwrap_or_else(|| "model".into()),
    };
    let mut files = BTreeMap::new();
    for name in deciding {
        let path = dir.join(name);
        if path.is_file() {
            files.insert(name.clone(), sha256_file(&path)?);
        }
    }
    let settings = BTreeMap::new();
    Ok(ModelInfo {
        id,
        files,
        settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_is_named_by_size_and_seed_and_only_known_files_count() {
        let dir = tempfile::tempdir().unwrap();
        let deciding = native::family::Family::ALL[0].deciding_files();
        std::fs::write(dir.path().join("llm.pt"), "abc").unwrap();
        std::fs::write(dir.path().join("README.md"), "about").unwrap();
        let plain = describe(dir.path(), &deciding).unwrap();
        assert_eq!(plain.files.keys().collect::<Vec<_>>(), ["llm.pt"]);
        // The SHA-256 of "abc" is a published test vector.
        let published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(plain.files["llm.pt"].sha256, published);
        assert_eq!(plain.files["llm.pt"].bytes, 3);

        let mark = r#"{"recipe":1,"size":"tiny","seed":7}"#;
        std::fs::write(dir.path().join("fixture.json"), mark).unwrap();
        assert_eq!(describe(dir.path(), &deciding).unwrap().id, "tiny-7");
    }
}
