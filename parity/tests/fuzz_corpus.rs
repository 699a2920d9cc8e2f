//! What fuzzing has found, and what it began with.

use std::path::Path;

#[path = "../../native/wetext/fuzz/replay.rs"]
mod replay;
#[path = "../fuzz/src/lib.rs"]
mod targets;

#[test]
fn every_input_of_the_fuzz_corpora_gets_an_answer() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    replay::replay(&fuzz, targets::TARGETS);
}
