//! Model files that nobody would write: each ends in an error that says what is wrong, without a
//! panic, an endless loop, or memory that the file could not fill.
//!
//! One module a format. Most inputs are made by a few lines from a valid file, whose own test proves
//! that it is the change that is refused; a row names the input, makes it, and says what the error
//! must contain. Rule files have theirs in `wetext`.

mod legacy;
mod onnx;
mod onnx_file;
mod pickle;
mod safetensors;
mod speakers;
mod stand_ins;
mod tokenizer;
mod torch;
mod values;
mod yaml;
mod zip;

use std::path::Path;
use std::time::{Duration, Instant};

use native::weights::Weights;

/// What an input is, its bytes, and what the error must say.
type Row = (&'static str, Vec<u8>, &'static str);

/// No input may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asserts that every input is refused as expected; `open` reads the file `name`.
fn assert_refused(name: &str, rows: &[Row], open: impl Fn(&Path) -> Result<(), String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    for (what, bytes, expected) in rows {
        std::fs::write(&path, bytes).unwrap();
        let begin = Instant::now();
        let error = open(&path)
            .err()
            .unwrap_or_else(|| panic!("{what} was read"));
        assert!(
            error.contains(expected) && error.contains(name),
            "{what}: `{error}` does not say `{expected}`"
        );
        assert!(error.len() < 2000, "{what}: {} characters", error.len());
        assert!(begin.elapsed() < PATIENCE, "{what}: {:?}", begin.elapsed());
    }
    println!("{name}: {} inputs refused", rows.len());
}

fn open_weights(path: &Path) -> Result<(), String> {
    Weights::open(path)
        .and_then(Weights::check)
        .map_err(|error| error.to_string())
}
