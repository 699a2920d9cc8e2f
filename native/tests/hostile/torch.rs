//! Writes files of `torch.save`, valid and otherwise.

use std::io::{Cursor, Write};

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};

/// A tensor as its pickle describes it: two by three float32 numbers in storage `0`.
#[derive(Clone)]
pub struct Tensor {
    pub module: &'static str,
    pub function: &'static str,
    pub class: &'static str,
    pub key: &'static str,
    pub elements: Vec<u8>,
    pub offset: Vec<u8>,
    pub shape: Vec<u8>,
    pub strides: Vec<u8>,
}

impl Default for Tensor {
    fn default() -> Self {
        Self {
            module: "torch._utils",
            function: "_rebuild_tensor_v2",
            class: "FloatStorage",
            key: "0",
            elements: int(6),
            offset: int(0),
            shape: tuple(&[2, 3]),
            strides: tuple(&[3, 1]),
        }
    }
}

impl Tensor {
    pub fn code(&self) -> Vec<u8> {
        [
            global(self.module, self.function),
            b"((".to_vec(),
            text("storage"),
            global("torch", self.class),
            text(self.key),
            text("cpu"),
            self.elements.clone(),
            b"tQ".to_vec(),
            self.offset.clone(),
            self.shape.clone(),
            self.strides.clone(),
            b"\x89".to_vec(),
            global("collections", "OrderedDict"),
            b")RtR".to_vec(),
        ]
        .concat()
    }
}

pub fn int(value: i32) -> Vec<u8> {
    [b"J", &value.to_le_bytes()[..]].concat()
}

pub fn long(value: i64) -> Vec<u8> {
    [b"\x8a\x08", &value.to_le_bytes()[..]].concat()
}

pub fn tuple(values: &[i32]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&value| int(value)).collect();
    [b"(", &values[..], b"t"].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    [
        b"X",
        &(text.len() as u32).to_le_bytes()[..],
        text.as_bytes(),
    ]
    .concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A pickle of a dictionary with these keys and values.
pub fn state(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .flat_map(|(name, value)| [text(name), value.clone()].concat());
    let entries: Vec<u8> = entries.collect();
    [b"\x80\x02}(", &entries[..], b"u."].concat()
}

/// A state dict of one tensor.
pub fn one(tensor: &Tensor) -> Vec<u8> {
    state(&[("a.weight", tensor.code())])
}

/// The data of six numbers.
pub fn six() -> Vec<u8> {
    [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect()
}

/// An archive of these entries, stored.
pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    archive_with(entries, SimpleFileOptions::default())
}

pub fn archive_with(entries: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let options = options.compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A file of this pickle and six numbers.
pub fn file(pickle: &[u8]) -> Vec<u8> {
    archive(&[
        ("archive/data.pkl", pickle),
        ("archive/byteorder", b"little"),
        ("archive/data/0", &six()),
        ("archive/version", b"3\n"),
    ])
}

/// The valid file that hostile ones are made from.
pub fn valid() -> Vec<u8> {
    file(&one(&Tensor::default()))
}
