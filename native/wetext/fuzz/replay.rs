//! Replays committed fuzz corpora on the stable toolchain; the tests of every crate with fuzz
//! targets include this file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Far beyond what an input takes on a machine that does other work too; a hang is longer.
const IN_TIME: Duration = Duration::from_secs(60);

/// A target and its name.
type Target = (&'static str, fn(&[u8]));

/// Runs every target on every input of its folder in `fuzz/corpus`.
///
/// # Panics
/// If an input makes its target panic or takes too long, if a target has no input, or if a folder
/// belongs to no target.
pub fn replay(fuzz: &Path, targets: &[Target]) {
    let folders: BTreeSet<_> = entries(&fuzz.join("corpus")).collect();
    let expected = targets
        .iter()
        .map(|(name, _)| fuzz.join("corpus").join(name));
    assert_eq!(folders, expected.collect(), "one folder for each target");
    for (name, target) in targets {
        let program = fuzz.join("fuzz_targets").join(name).with_extension("rs");
        assert!(program.is_file(), "no {}", program.display());
        let inputs: BTreeSet<_> = entries(&fuzz.join("corpus").join(name)).collect();
        assert!(!inputs.is_empty(), "the corpus of `{name}` is empty");
        println!("{name}: {} inputs", inputs.len());
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            println!("{}", input.display());
            let start = Instant::now();
            target(&bytes);
            let spent = start.elapsed();
            assert!(spent < IN_TIME, "{} took {spent:?}", input.display());
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path())
}
