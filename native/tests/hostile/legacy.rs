//! Weight files in the format before torch 1.6, which has no checksums.
//!
//! `data/weights/` was written by torch 2.3.1: `zip.pt` and, with
//! `_use_new_zipfile_serialization=False`, `legacy.pt`, both of one state dict with a tied, a
//! transposed and a sliced tensor, a parameter, a scalar, an empty tensor and every element type.

use std::path::{Path, PathBuf};

use candle_core::Device;
use native::precision::Precision;
use native::weights::Weights;

use super::torch::{Tensor, global, int, one, six, text};
use super::{Row, assert_refused, open_weights};

const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";
const MACHINE: &[u8] = b"\x80\x02}.";

fn keys(keys: &[&str]) -> Vec<u8> {
    let keys: Vec<u8> = keys.iter().flat_map(|key| text(key)).collect();
    [b"\x80\x02](", &keys[..], b"e."].concat()
}

/// A storage: the number of its elements, and its data.
fn storage(elements: i64) -> Vec<u8> {
    [&elements.to_le_bytes()[..], &six()].concat()
}

fn file(parts: &[&[u8]]) -> Vec<u8> {
    [&[MAGIC, VERSION, MACHINE], parts].concat().concat()
}

fn rows() -> Vec<Row> {
    let state = one(&Tensor::default());
    let key = keys(&["0"]);
    let valid = file(&[&state, &key, &storage(6)]);
    let view = Tensor {
        elements: [int(6), text("1"), int(0), int(6), b"\x87".to_vec()].concat(),
        ..Tensor::default()
    };
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    vec![
        (
            "a magic number alone",
            MAGIC.to_vec(),
            "the format's version",
        ),
        (
            "version 1000",
            [MAGIC, b"\x80\x02M\xe8\x03.", MACHINE].concat(),
            "another version of the old format than 1001",
        ),
        (
            "a version that is no number",
            [MAGIC, b"\x80\x02}."].concat(),
            "another version",
        ),
        (
            "nothing about the machine",
            [MAGIC, VERSION].concat(),
            "about the machine",
        ),
        ("no object", file(&[]), "the object"),
        (
            "no names of storages",
            file(&[&state]),
            "the names of the storages",
        ),
        (
            "names that are numbers",
            file(&[&state, b"\x80\x02](K\x01e."]),
            "is not text",
        ),
        ("no storage", file(&[&state, &keys(&[])]), "no storage 0"),
        (
            "a storage that no tensor is in",
            file(&[&state, &keys(&["1"]), &storage(6)]),
            "no tensor says what storage 1 holds",
        ),
        (
            "one storage twice",
            file(&[&state, &keys(&["0", "0"]), &storage(6), &storage(6)]),
            "two storages are named 0",
        ),
        (
            "a storage without its data",
            file(&[&state, &key]),
            "ends before storage 0",
        ),
        (
            "a storage of −1 elements",
            file(&[&state, &key, &storage(-1)]),
            "states -1 elements",
        ),
        (
            "a storage of 2^61 elements",
            file(&[&state, &key, &storage(1 << 61)]),
            "more than the file has",
        ),
        (
            "a storage of 7 elements",
            file(&[&state, &key, &storage(7)]),
            "more than the file has",
        ),
        (
            "a storage of 5 elements",
            file(&[&state, &key, &storage(5)]),
            "4 bytes follow its last storage",
        ),
        (
            "a byte more",
            [&valid[..], b"x"].concat(),
            "1 bytes follow its last storage",
        ),
        (
            "a byte less",
            valid[..valid.len() - 1].to_vec(),
            "more than the file has",
        ),
        (
            "a view, as torch 0.3 wrote them",
            file(&[&one(&view), &key, &storage(6)]),
            "a view of another",
        ),
        (
            "a foreign object",
            file(&[
                &[b"\x80\x02", &global("os", "system")[..], b"."].concat(),
                &key,
            ]),
            "os.system",
        ),
        (
            "a tar archive, as torch 0.1 wrote them",
            tar,
            "is a tar archive",
        ),
    ]
}

#[test]
fn hostile_files_of_the_old_format_are_refused() {
    assert_refused("llm.pt", &rows(), open_weights);
}

fn by_torch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/weights")
        .join(name)
}

#[test]
fn both_formats_of_torch_are_read_alike() {
    let read = |name: &str, shape: &[usize], tensor: &str| {
        let weights = Weights::open(&by_torch(name)).unwrap();
        let builder = weights.builder(Precision::F32, &Device::Cpu);
        let values = builder.get_float64(shape, tensor).unwrap();
        values.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    for (tensor, shape) in [
        ("a.weight", &[4, 6][..]),
        ("a.tied", &[4, 6]),
        ("b.transposed", &[5, 3]),
        ("b.slice", &[4]),
        ("c.half", &[7]),
        ("c.bfloat16", &[3, 2]),
        ("c.double", &[2, 2]),
        ("d.long", &[3]),
        ("d.int", &[1, 2]),
        ("d.short", &[2]),
        ("d.byte", &[2]),
        ("d.bool", &[2]),
        ("e.scalar", &[]),
        ("e.empty", &[0, 3]),
        ("e.parameter", &[2]),
    ] {
        let (zip, legacy) = (
            read("zip.pt", shape, tensor),
            read("legacy.pt", shape, tensor),
        );
        assert_eq!(zip, legacy, "{tensor}");
        let known: &[f64] = match tensor {
            "b.slice" => &[4.0, 7.0, 10.0, 13.0],
            "d.long" => &[1.0, -2.0, 3e9],
            "d.int" => &[7.0, -8.0],
            "d.short" => &[5.0, -6.0],
            "d.byte" => &[200.0, 3.0],
            "d.bool" => &[1.0, 0.0],
            "e.scalar" => &[2.5],
            "e.parameter" => &[1.5, -0.25],
            _ => continue,
        };
        assert_eq!(zip, known, "{tensor}");
    }
    let tied = read("legacy.pt", &[4, 6], "a.tied");
    assert_eq!(tied, read("legacy.pt", &[4, 6], "a.weight"));
}

#[test]
fn an_old_file_cut_short_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("llm.pt");
    let whole = std::fs::read(by_torch("legacy.pt")).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(open_weights(&path).is_err(), "{length} bytes");
    }
}
