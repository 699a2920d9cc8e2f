//! What the fuzz targets of `wetext` run. `tests/fuzz_corpus.rs` replays their corpora with it.
//!
//! A target takes any bytes and returns: an error is an answer, a panic is a fault.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use wetext::{Normalizer, Version};

/// A target and its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[("rules", rules), ("normalizer", normalizer)];

/// `data` as every rule file of a normaliser, which then reads short texts.
pub fn rules(data: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    for language in ["en", "zh"] {
        let rules = folder.path().join(language).join("tn");
        std::fs::create_dir_all(&rules).expect("a folder for the rules");
        for name in ["tagger.fst", "verbalizer.fst"] {
            std::fs::write(rules.join(name), data).expect("a rule file");
        }
    }
    for version in [Version::V018, Version::V004] {
        let Ok(normalizer) = Normalizer::open(folder.path(), version) else {
            return;
        };
        for text in ["", "a", "1 a", "12", "二3"] {
            let _ = normalizer.normalize(text);
        }
    }
}

/// `data` as a text, normalised by both versions.
pub fn normalizer(data: &[u8]) {
    static NORMALIZERS: LazyLock<[Normalizer; 2]> = LazyLock::new(|| {
        let open = |version| Normalizer::open(rules_folder(), version).expect("rule files");
        [open(Version::V018), open(Version::V004)]
    });
    let text = String::from_utf8_lossy(data);
    for normalizer in &*NORMALIZERS {
        let _ = normalizer.normalize(&text);
    }
}

/// The published rules where `make setup` has put them, else the small ones of the tests.
fn rules_folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    [".cache/text-rules", "tests/data/rules"]
        .iter()
        .find_map(|rules| {
            let mut folders = here.ancestors().map(|root| root.join(rules));
            folders.find(|folder| folder.is_dir())
        })
        .expect("the rules of the tests")
}
