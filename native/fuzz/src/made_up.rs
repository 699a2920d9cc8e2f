//! Small files without fault that complete what a fuzz target is given.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A language model's body, as small as it can be.
pub const QWEN: &[u8] = include_bytes!("qwen2.json");

/// An archive as `torch.save` writes it, with `pickle` and two storages of 256 bytes.
pub fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let storage: Vec<u8> = (0..=255).collect();
    for (name, bytes) in [
        ("a/data.pkl", pickle),
        ("a/byteorder", b"little"),
        ("a/data/0", &storage),
        ("a/data/1", &storage),
        ("a/version", b"3\n"),
    ] {
        zip.start_file(name, options).expect("an entry");
        zip.write_all(bytes).expect("in memory");
    }
    zip.finish().expect("in memory").into_inner()
}

/// Writes a byte-level vocabulary of the 256 bytes and one merge.
pub fn vocabulary(folder: &Path) {
    let kept = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let (mut tokens, mut beyond) = (Vec::new(), 0x100_u32);
    for byte in 0..=255_u8 {
        let letter = if kept(byte) {
            char::from(byte)
        } else {
            beyond += 1;
            char::from_u32(beyond - 1).expect("below the surrogates")
        };
        let quoted = match letter {
            '"' | '\\' => format!("\\{letter}"),
            _ => letter.to_string(),
        };
        tokens.push(format!("\"{quoted}\":{byte}"));
    }
    tokens.push("\"ll\":256".to_owned());
    let vocabulary = format!("{{{}}}", tokens.join(","));
    fs::write(folder.join("vocab.json"), vocabulary).expect("a file");
    fs::write(folder.join("merges.txt"), "#version: 0.2\nl l\n").expect("a file");
}
