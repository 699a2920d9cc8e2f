//! Rule files that nobody would write: each is refused with its reason, before anything is allocated
//! that the file could not hold.

use std::fs;
use std::path::Path;

use wetext::{Normalizer, Version};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rules");
/// Where the parts of a header begin.
mod at {
    pub const KIND: usize = 4;
    pub const KIND_LENGTH: usize = 4;
    pub const ARCS_LENGTH: usize = 14;
    pub const FLAGS: usize = 30;
    pub const START: usize = 42;
    pub const STATES: usize = 50;
    /// The first state: its final weight, its number of arcs, and its arcs.
    pub const WEIGHT: usize = 66;
    pub const ARCS: usize = 70;
    pub const INPUT: usize = 78;
    pub const OUTPUT: usize = 82;
    pub const COST: usize = 86;
    pub const NEXT: usize = 90;
}

/// A rule of one state that reads and writes `a`.
fn valid() -> Vec<u8> {
    let mut file = 2_125_659_606_i32.to_le_bytes().to_vec();
    for name in ["vector", "standard"] {
        file.extend((name.len() as i32).to_le_bytes());
        file.extend(name.as_bytes());
    }
    for number in [/* version */ 2_i32, /* flags */ 0] {
        file.extend(number.to_le_bytes());
    }
    for number in [
        /* properties */ 3_i64, /* start */ 0, /* states */ 1, 0,
    ] {
        file.extend(number.to_le_bytes());
    }
    file.extend(0_f32.to_le_bytes());
    file.extend(1_i64.to_le_bytes());
    arc(&mut file, (97, 97, 0.0, 0));
    file
}

fn arc(file: &mut Vec<u8>, (input, output, cost, next): (i32, i32, f32, i32)) {
    file.extend(input.to_le_bytes());
    file.extend(output.to_le_bytes());
    file.extend(cost.to_le_bytes());
    file.extend(next.to_le_bytes());
}

/// The valid rule with other bytes at a place.
fn with(at: usize, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let (mut file, bytes) = (valid(), bytes.as_ref());
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// The valid rule with more arcs, and their number.
fn with_arcs(arcs: &[(i32, i32, f32, i32)]) -> Vec<u8> {
    let mut file = with(at::ARCS, (arcs.len() as i64).to_le_bytes());
    file.truncate(at::INPUT);
    arcs.iter().for_each(|&new| arc(&mut file, new));
    file
}

fn open(bytes: &[u8]) -> Result<Normalizer, String> {
    let dir = tempfile::tempdir().unwrap();
    for language in ["en", "zh"] {
        let folder = dir.path().join(language).join("tn");
        fs::create_dir_all(&folder).unwrap();
        for name in ["tagger.fst", "verbalizer.fst"] {
            let whole = Path::new(RULES).join(language).join("tn").join(name);
            fs::copy(whole, folder.join(name)).unwrap();
        }
    }
    fs::write(dir.path().join("en/tn/tagger.fst"), bytes).unwrap();
    Normalizer::open(dir.path(), Version::V018).map_err(|e| e.to_string())
}

#[test]
fn the_rule_that_the_others_are_made_from_is_read() {
    assert_eq!(valid()[at::KIND_LENGTH..][..4], 6_i32.to_le_bytes());
    open(&valid()).unwrap();
}

#[test]
fn hostile_rule_files_are_refused_with_their_reason() {
    let inf = f32::INFINITY;
    let html = "<!DOCTYPE html><title>404</title>";
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    let inputs: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", vec![], "truncated"),
        ("one byte", vec![214], "truncated"),
        ("a web page", html.into(), "does not begin like an OpenFst"),
        ("a Git LFS pointer", pointer.into(), "git lfs pull"),
        ("zeros", vec![0; 4096], "does not begin like an OpenFst"),
        (
            "big-endian",
            with(0, 2_125_659_606_i32.to_be_bytes()),
            "does not begin like an OpenFst",
        ),
        (
            "a name of −1 bytes",
            with(at::KIND, (-1_i32).to_le_bytes()),
            "truncated",
        ),
        (
            "a name of 2 GB",
            with(at::KIND, i32::MAX.to_le_bytes()),
            "truncated",
        ),
        (
            "another kind",
            with(at::KIND + 4, b"consts"),
            "its kind is `consts`",
        ),
        (
            "another arc type",
            with(at::ARCS_LENGTH + 4, b"log64log"),
            "its arc type is `log64log`",
        ),
        (
            "a name that is not UTF-8",
            with(at::KIND + 4, [0xff; 6]),
            "its kind is",
        ),
        (
            "symbol tables",
            with(at::FLAGS, 3_i32.to_le_bytes()),
            "symbol tables or padding",
        ),
        (
            "padding",
            with(at::FLAGS, 4_i32.to_le_bytes()),
            "symbol tables or padding",
        ),
        (
            "no start",
            with(at::START, (-1_i64).to_le_bytes()),
            "start state -1",
        ),
        (
            "a start beyond the states",
            with(at::START, 1_i64.to_le_bytes()),
            "start state 1 does not exist",
        ),
        (
            "a start beyond 32 bits",
            with(at::START, (1_i64 << 32).to_le_bytes()),
            "start state 4294967296",
        ),
        (
            "no states",
            with(at::STATES, 0_i64.to_le_bytes()),
            "start state 0",
        ),
        (
            "−1 states",
            with(at::STATES, (-1_i64).to_le_bytes()),
            "states -1 states, more than it can hold",
        ),
        (
            "2^63 states",
            with(at::STATES, i64::MAX.to_le_bytes()),
            "more than it can hold",
        ),
        (
            "two states where there is one",
            with(at::STATES, 2_i64.to_le_bytes()),
            "state 1: the file is truncated",
        ),
        (
            "a final weight of NaN",
            with(at::WEIGHT, f32::NAN.to_le_bytes()),
            "final weight is NaN",
        ),
        (
            "a final weight of −∞",
            with(at::WEIGHT, (-inf).to_le_bytes()),
            "final weight is -inf",
        ),
        (
            "−1 arcs",
            with(at::ARCS, (-1_i64).to_le_bytes()),
            "states -1 arcs, more than the file can hold",
        ),
        (
            "2^60 arcs",
            with(at::ARCS, (1_i64 << 60).to_le_bytes()),
            "more than the file can hold",
        ),
        (
            "two arcs where there is one",
            with(at::ARCS, 2_i64.to_le_bytes()),
            "states 2 arcs, more than the file can hold",
        ),
        (
            "no arcs where there is one",
            with(at::ARCS, 0_i64.to_le_bytes()),
            "16 bytes follow its last state",
        ),
        (
            "an input label of 256",
            with(at::INPUT, 256_i32.to_le_bytes()),
            "label is 256",
        ),
        (
            "an input label of −1",
            with(at::INPUT, (-1_i32).to_le_bytes()),
            "label is -1",
        ),
        (
            "an output label beyond a byte",
            with(at::OUTPUT, i32::MAX.to_le_bytes()),
            "label is 2147483647",
        ),
        (
            "a cost of NaN",
            with(at::COST, f32::NAN.to_le_bytes()),
            "weight is NaN",
        ),
        (
            "a cost of ∞",
            with(at::COST, inf.to_le_bytes()),
            "weight is inf",
        ),
        (
            "an arc to a state that is not there",
            with(at::NEXT, 1_i32.to_le_bytes()),
            "leads to state 1 of 1",
        ),
        (
            "an arc to state −1",
            with(at::NEXT, (-1_i32).to_le_bytes()),
            "leads to state -1 of 1",
        ),
        (
            "arcs out of order",
            with_arcs(&[(98, 98, 0.0, 0), (97, 97, 0.0, 0)]),
            "not sorted",
        ),
        (
            "a circle that reads nothing",
            with(at::INPUT, 0_i32.to_le_bytes()),
            "without reading",
        ),
        (
            "one byte more",
            [valid(), vec![0]].concat(),
            "1 bytes follow its last state",
        ),
        (
            "one byte less",
            valid()[..93].to_vec(),
            "more than the file can hold",
        ),
        (
            "a header alone",
            valid()[..at::WEIGHT].to_vec(),
            "more than it can hold",
        ),
    ];
    for (name, bytes, expected) in inputs {
        let error = open(bytes)
            .err()
            .unwrap_or_else(|| panic!("{name} was read"));
        assert!(
            error.contains(expected) && error.contains("tagger.fst"),
            "{name}: `{error}` does not say `{expected}`"
        );
    }
    println!("{} rule files refused", inputs.len());
}

#[test]
fn rules_whose_costs_overflow_still_come_to_an_end() {
    let huge = with_arcs(&[(97, 98, f32::MAX, 0), (97, 99, f32::MIN, 0)]);
    let normalizer = open(&huge).unwrap();
    for text in ["a", "aaaa", &"a".repeat(5000)] {
        let _ = normalizer.normalize(text);
    }
}

#[test]
fn a_rule_file_that_is_a_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for language in ["en", "zh"] {
        for name in ["tagger.fst", "verbalizer.fst"] {
            fs::create_dir_all(dir.path().join(language).join("tn").join(name)).unwrap();
        }
    }
    let error = Normalizer::open(dir.path(), Version::V018)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("no regular file"), "{error}");
}
