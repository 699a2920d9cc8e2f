//! Safetensors: headers longer than the file, overlaps, gaps, overflows, other types.

use super::{Row, assert_refused, open_weights};

/// A file of this header and as many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; data]].concat()
}

fn length(length: u64) -> Vec<u8> {
    let mut bytes = file(VALID, 24);
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// One tensor of two by three float32 numbers.
const VALID: &str = r#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;

/// A header of one tensor.
fn one(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

fn two(first: &str, second: &str) -> String {
    let tensor = |name, offsets| {
        format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":{offsets}}}"#)
    };
    format!("{{{},{}}}", tensor("a", first), tensor("b", second))
}

fn rows() -> Vec<Row> {
    vec![
        ("seven bytes", vec![0; 7], "cut short"),
        (
            "a length alone",
            vec![1, 0, 0, 0, 0, 0, 0, 0],
            "longer than the file",
        ),
        (
            "a header of 2^64 − 1 bytes",
            length(u64::MAX),
            "longer than the file",
        ),
        (
            "a header of 100 MB",
            length(100_000_000),
            "longer than the file",
        ),
        (
            "a header one byte too long",
            length(VALID.len() as u64 + 25),
            "longer than the file",
        ),
        ("a header cut short", length(20), "its header"),
        ("a header of no bytes", length(0), "its header"),
        (
            "a header that is not UTF-8",
            [&4_u64.to_le_bytes()[..], &[0xff; 4]].concat(),
            "its header",
        ),
        ("a header that is no JSON", file("tensors", 0), "its header"),
        ("a list for a header", file("[]", 0), "its header"),
        (
            "100,000 brackets",
            file(&"[".repeat(100_000), 0),
            "its header",
        ),
        ("an empty header", file("{}", 0), "holds no tensors"),
        (
            "an empty header and data",
            file("{}", 8),
            "describes 0 bytes of data and it has 8",
        ),
        (
            "metadata alone",
            file(r#"{"__metadata__":{"format":"pt"}}"#, 0),
            "holds no tensors",
        ),
        (
            "metadata that is no text",
            file(r#"{"__metadata__":{"format":1}}"#, 0),
            "its header",
        ),
        (
            "data cut short",
            file(VALID, 23),
            "describes 24 bytes of data and it has 23",
        ),
        (
            "a byte more",
            file(VALID, 25),
            "describes 24 bytes of data and it has 25",
        ),
        (
            "a tensor that overlaps another",
            file(&two("[0,8]", "[4,12]"), 12),
            "invalid offset",
        ),
        (
            "two tensors in one place",
            file(&two("[0,8]", "[0,8]"), 8),
            "invalid offset",
        ),
        (
            "a gap",
            file(&two("[0,8]", "[12,20]"), 20),
            "invalid offset",
        ),
        (
            "a tensor that ends before it begins",
            file(&one("F32", "[2]", "[8,0]"), 8),
            "invalid offset",
        ),
        (
            "a tensor that does not begin at 0",
            file(&one("F32", "[2]", "[8,16]"), 16),
            "invalid offset",
        ),
        (
            "a shape of fewer bytes",
            file(&one("F32", "[2,2]", "[0,24]"), 24),
            "invalid shape",
        ),
        (
            "a shape of more bytes",
            file(&one("F32", "[2,4]", "[0,24]"), 24),
            "invalid shape",
        ),
        (
            "a shape that overflows behind a dimension of 0",
            file(
                &one(
                    "F32",
                    "[0,1152921504606846976,1152921504606846976]",
                    "[0,0]",
                ),
                0,
            ),
            "too large",
        ),
        (
            "a shape that overflows",
            file(&one("F32", "[4294967296,4294967296]", "[0,24]"), 24),
            "overflow",
        ),
        (
            "a number of bytes that overflows",
            file(&one("F32", "[4611686018427387904]", "[0,24]"), 24),
            "overflow",
        ),
        (
            "a negative dimension",
            file(&one("F32", "[-2,3]", "[0,24]"), 24),
            "its header",
        ),
        (
            "a dimension of 2^65",
            file(&one("F32", "[36893488147419103232]", "[0,24]"), 24),
            "its header",
        ),
        (
            "a dimension that is a fraction",
            file(&one("F32", "[2.5]", "[0,10]"), 10),
            "its header",
        ),
        (
            "a thousand dimensions",
            file(&one("F32", &format!("[{}1]", "1,".repeat(999)), "[0,4]"), 4),
            "it has 1000 dimensions",
        ),
        (
            "an unknown type",
            file(&one("F33", "[2,3]", "[0,24]"), 24),
            "its header",
        ),
        (
            "complex numbers",
            file(&one("C64", "[3]", "[0,24]"), 24),
            "its type",
        ),
        (
            "half a byte",
            file(&one("F4", "[1]", "[0,1]"), 1),
            "its header",
        ),
        (
            "one name twice",
            file(
                &format!(
                    "{},{}",
                    &VALID[..VALID.len() - 1],
                    &VALID[1..].replace("0,24", "24,48")
                ),
                48,
            ),
            "invalid offset",
        ),
        (
            "a tensor without a shape",
            file(r#"{"a":{"dtype":"F32","data_offsets":[0,24]}}"#, 24),
            "its header",
        ),
        (
            "a name that clears the screen",
            file(
                &one("C64", "[3]", "[0,24]").replace("\"a\"", r#""\u001b[2J""#),
                24,
            ),
            r"\u{1b}[2J",
        ),
    ]
}

#[test]
fn the_file_that_the_others_are_made_from_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flow.safetensors");
    std::fs::write(&path, file(VALID, 24)).unwrap();
    open_weights(&path).unwrap();
}

#[test]
fn hostile_safetensors_are_refused() {
    assert_refused("flow.safetensors", &rows(), open_weights);
}
