//! The archives of weight files: damage, bombs, two entries of one name, sizes that are not true.

use ::zip::write::SimpleFileOptions;

use super::torch::{Tensor, archive, archive_with, one, six, valid};
use super::{Row, assert_refused, open_weights};

/// `bytes` with every `from` replaced by `to`, of the same length.
fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = places(&bytes, from);
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

fn places(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(what.len()).enumerate();
    windows
        .filter(|(_, w)| *w == what)
        .map(|(at, _)| at)
        .collect()
}

/// The valid file with bytes changed at `offset` from the n-th header of the directory.
fn central(n: usize, offset: usize, to: &[u8]) -> Vec<u8> {
    let mut bytes = valid();
    let at = places(&bytes, b"PK\x01\x02")[n] + offset;
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// The valid file with bytes changed at `offset` from its last record.
fn end(offset: usize, to: &[u8]) -> Vec<u8> {
    let mut bytes = valid();
    let at = places(&bytes, b"PK\x05\x06")[0] + offset;
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

fn flipped(at: usize) -> Vec<u8> {
    let mut bytes = valid();
    bytes[at] ^= 0x10;
    bytes
}

/// Where the storage's data begin.
fn data() -> usize {
    places(&valid(), &six())[0]
}

fn rows() -> Vec<Row> {
    let whole = valid();
    let pickle = one(&Tensor::default());
    let version = places(&whole, b"3\n")[0];
    let code = places(&whole, b"_rebuild")[0];
    vec![
        (
            "four bytes",
            b"PK\x03\x04".to_vec(),
            "not a file of `torch.save`",
        ),
        ("zeros", vec![0; 1000], "not a file of `torch.save`"),
        (
            "text",
            b"these are weights".to_vec(),
            "not a file of `torch.save`",
        ),
        (
            "half a file",
            whole[..whole.len() / 2].to_vec(),
            "cut short",
        ),
        (
            "all but the last byte",
            whole[..whole.len() - 1].to_vec(),
            "cut short",
        ),
        (
            "bytes before the archive",
            [b"#!/bin/sh\n", &whole[..]].concat(),
            "torch.save",
        ),
        (
            "a flipped bit in the data",
            flipped(data()),
            "archive/data/0 in the archive: the file is damaged",
        ),
        (
            "a flipped bit at the end of the data",
            flipped(data() + 23),
            "archive/data/0 in the archive: the file is damaged",
        ),
        (
            "a flipped bit in the pickle",
            flipped(code),
            "archive/data.pkl in the archive: the file is damaged",
        ),
        (
            "a flipped bit in what no tensor is read from",
            flipped(version),
            "archive/version in the archive: the file is damaged",
        ),
        (
            "another checksum",
            central(2, 16, &[1, 2, 3, 4]),
            "archive/data/0 in the archive: the file is damaged",
        ),
        (
            "two entries of one name",
            replaced(
                archive(&[
                    ("archive/data.pkl", &pickle),
                    ("archive/data/1", &six()),
                    ("archive/data/0", &six()),
                ]),
                b"data/1",
                b"data/0",
            ),
            "two entries of the archive have one name",
        ),
        (
            "two pickles",
            archive(&[
                ("a/data.pkl", &pickle),
                ("b/data.pkl", &pickle),
                ("a/data/0", &six()),
            ]),
            "more than one data.pkl",
        ),
        (
            "no pickle",
            archive(&[("archive/data/0", &six())]),
            "no data.pkl",
        ),
        (
            "a pickle of another name",
            archive(&[("archive/my_data.pkl", &pickle)]),
            "no data.pkl",
        ),
        ("an empty archive", archive(&[]), "no data.pkl"),
        (
            "no data",
            archive(&[("archive/data.pkl", &pickle)]),
            "no data/0",
        ),
        (
            "data of a big-endian machine",
            archive(&[
                ("archive/data.pkl", &pickle),
                ("archive/byteorder", b"big"),
                ("archive/data/0", &six()),
            ]),
            "big-endian",
        ),
        (
            "a byte order of a megabyte",
            archive(&[
                ("archive/data.pkl", &pickle),
                ("archive/byteorder", &vec![b' '; 1 << 20]),
            ]),
            "byteorder in the archive: has 1048576 bytes",
        ),
        (
            "a deflated entry",
            central(2, 10, &[8, 0]),
            "archive/data/0",
        ),
        (
            "an encrypted entry",
            central(2, 8, &[1, 0]),
            "archive/data/0",
        ),
        (
            "a size of 4 GB",
            central(2, 24, &[0xfe, 0xff, 0xff, 0xff]),
            "archive/data/0",
        ),
        (
            "a packed size of 4 GB",
            central(2, 20, &[0xfe, 0xff, 0xff, 0xff]),
            "overlap",
        ),
        (
            "a size without the data",
            central(2, 24, &0_u32.to_le_bytes()),
            "archive/data/0",
        ),
        (
            "an entry that begins in another",
            central(2, 42, &0_u32.to_le_bytes()),
            "overlap",
        ),
        (
            "an entry that begins beyond the file",
            central(2, 42, &0x00ff_ffff_u32.to_le_bytes()),
            "archive",
        ),
        (
            "65,535 entries where there are four",
            end(8, &[0xff; 4]),
            "cut short",
        ),
        (
            "fewer entries than there are",
            end(8, &[1, 0, 1, 0]),
            "no data/0",
        ),
        (
            "a directory beyond the file",
            end(16, &0x00ff_ffff_u32.to_le_bytes()),
            "cut short",
        ),
        ("zip64 sizes of 2^63 bytes", zip64(), "archive"),
    ]
}

/// An archive whose sizes are in zip64's fields, and too large.
fn zip64() -> Vec<u8> {
    let pickle = one(&Tensor::default());
    let bytes = archive_with(
        &[("archive/data.pkl", &pickle), ("archive/data/0", &six())],
        SimpleFileOptions::default().large_file(true),
    );
    // Every field that states the 24 bytes of the storage in 64 bits.
    replaced(bytes, &24_u64.to_le_bytes(), &(1_u64 << 63).to_le_bytes())
}

#[test]
fn hostile_archives_are_refused() {
    assert_refused("hift.pt", &rows(), open_weights);
}

#[test]
fn a_bit_flipped_anywhere_in_the_contents_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hift.pt");
    let whole = valid();
    let contents = [
        one(&Tensor::default()),
        six(),
        b"little".to_vec(),
        b"3\n".to_vec(),
    ];
    let mut tried = 0;
    for content in contents {
        let begin = places(&whole, &content)[0];
        for at in begin..begin + content.len() {
            std::fs::write(&path, flipped(at)).unwrap();
            assert!(open_weights(&path).is_err(), "byte {at} of {}", whole.len());
            tried += 1;
        }
    }
    println!("{tried} flipped bits noticed");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hift.pt");
    let whole = valid();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = open_weights(&path).unwrap_err();
        assert!(error.contains("hift.pt"), "{length} bytes: {error}");
    }
}
