//! Named records of tensors in the file format of `torch.save`: a zip with a pickle in it.
//!
//! A pickle is a program. Only the instructions that build dictionaries and tensors are
//! understood, and nothing is executed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use candle_core::pickle::{Object, Stack};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::new_file::NewFile;
use crate::{Error, Result};

/// Name → tensor.
pub(super) type Record = BTreeMap<String, Array>;

/// A tensor of one of the two kinds that saved speakers consist of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Int32(Vec<i32>),
    Float32(Vec<f32>),
}

/// Reads a dictionary of dictionaries of tensors. Tensors of other kinds are left out.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Record>> {
    let damaged = |reason: String| Error::format(path, reason);
    let file = File::open(path).map_err(Error::io(path))?;
    let mut archive = Archive::open(file).map_err(damaged)?;
    let mut records = BTreeMap::new();
    for (name, record) in dict(archive.pickle().map_err(damaged)?).map_err(damaged)? {
        let mut tensors = Record::new();
        for (key, tensor) in dict(record).map_err(damaged)? {
            let tensor = archive
                .tensor(tensor)
                .map_err(|e| damaged(format!("`{key}` of `{name}`: {e}")))?;
            tensors.extend(tensor.map(|tensor| (key, tensor)));
        }
        records.insert(name, tensors);
    }
    Ok(records)
}

/// Writes what [`read`] reads, and `torch.load(…, weights_only=True)` too. The file is replaced
/// as a whole: an interrupted write leaves the old one.
pub(super) fn write(path: &Path, records: &BTreeMap<String, Record>) -> Result<()> {
    let new = NewFile::create(path)?;
    write_archive(BufWriter::new(new.file()), records).map_err(Error::io(path))?;
    new.finish()
}

struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// The folder that everything is in.
    folder: String,
}

impl Archive {
    fn open(file: File) -> Result<Self, String> {
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| format!("not a file of `torch.save`: {e}"))?;
        let folder = zip
            .file_names()
            .filter_map(|name| Some(name.ok()?.strip_suffix("data.pkl")?.to_owned()))
            .next()
            .ok_or("not a file of `torch.save`: it has no data.pkl")?;
        Ok(Self { zip, folder })
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let name = format!("{}{name}", self.folder);
        let mut bytes = Vec::new();
        self.zip
            .by_name(&name)
            .map_err(|e| format!("{name}: {e}"))?
            .read_to_end(&mut bytes)
            .map_err(|e| format!("{name}: {e}"))?;
        Ok(bytes)
    }

    fn pickle(&mut self) -> Result<Object, String> {
        let bytes = self.bytes("data.pkl")?;
        let mut stack = Stack::empty();
        stack
            .read_loop(&mut bytes.as_slice())
            .and_then(|()| stack.finalize())
            .map_err(|e| e.to_string())
    }

    /// `None` for an object that is not a tensor, or one of another element type.
    fn tensor(&mut self, object: Object) -> Result<Option<Array>, String> {
        let Some(parts) = TensorParts::of(object) else {
            return Ok(None);
        };
        let bytes = self.bytes(&format!("data/{}", parts.storage))?;
        let (words, _) = bytes.as_chunks::<4>();
        let values = match parts.kind.as_str() {
            "FloatStorage" => parts.gather(words, f32::from_le_bytes).map(Values::Float32),
            "IntStorage" => parts.gather(words, i32::from_le_bytes).map(Values::Int32),
            _ => return Ok(None),
        };
        let values = values.ok_or("the tensor reaches beyond its data")?;
        let shape = parts.shape;
        Ok(Some(Array { shape, values }))
    }
}

/// What torch rebuilds a tensor from.
struct TensorParts {
    kind: String,
    storage: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl TensorParts {
    fn of(object: Object) -> Option<Self> {
        let (callable, args) = object.reduce().ok()?;
        let (_, function) = callable.class().ok()?;
        if function != "_rebuild_tensor_v2" {
            return None;
        }
        let mut args = args.tuple().ok()?.into_iter();
        let storage = args.next()?.persistent_load().ok()?;
        let offset = args.next()?.int_or_long().ok()?;
        let shape = Vec::<usize>::try_from(args.next()?).ok()?;
        let strides = Vec::<usize>::try_from(args.next()?).ok()?;
        let mut storage = storage.tuple().ok()?.into_iter().skip(1);
        let (_, kind) = storage.next()?.class().ok()?;
        Some(Self {
            kind,
            storage: storage.next()?.unicode().ok()?,
            offset: offset.try_into().ok()?,
            shape,
            strides,
        })
    }

    /// The elements in row-major order: what is saved may be a slice or a transpose.
    fn gather<T>(&self, words: &[[u8; 4]], decode: fn([u8; 4]) -> T) -> Option<Vec<T>> {
        let count = self
            .shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if count > words.len() || self.shape.len() != self.strides.len() {
            return None;
        }
        let mut values = Vec::with_capacity(count);
        for i in 0..count {
            let (mut rest, mut at) = (i, self.offset);
            for (&d, &stride) in self.shape.iter().zip(&self.strides).rev() {
                at = at.checked_add((rest % d).checked_mul(stride)?)?;
                rest /= d;
            }
            values.push(decode(*words.get(at)?));
        }
        Some(values)
    }
}

fn dict(object: Object) -> Result<Vec<(String, Object)>, String> {
    let pairs = object
        .dict()
        .map_err(|_| "not a dictionary of dictionaries of tensors")?;
    pairs
        .into_iter()
        .map(|(key, value)| match key.unicode() {
            Ok(key) => Ok((key, value)),
            Err(_) => Err("a dictionary has a key that is not text".to_owned()),
        })
        .collect()
}

fn write_archive(
    file: BufWriter<&File>,
    records: &BTreeMap<String, Record>,
) -> std::io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("spk2info/{name}"), options)?;
        zip.write_all(bytes)
    };
    let mut pickle = Pickle::default();
    pickle.dict(records.iter(), |pickle, record| {
        pickle.dict(record.iter(), Pickle::tensor);
    });
    add("data.pkl", &pickle.finish())?;
    add("byteorder", b"little")?;
    for (i, tensor) in records.values().flat_map(BTreeMap::values).enumerate() {
        add(&format!("data/{i}"), &tensor.values.bytes())?;
    }
    add("version", b"3\n")?;
    zip.finish()?.flush()
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Int32(v) => v.len(),
            Self::Float32(v) => v.len(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Int32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Float32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }
}

/// A pickle (protocol 2) being written.
#[derive(Default)]
struct Pickle {
    code: Vec<u8>,
    tensors: usize,
}

impl Pickle {
    const MARK: u8 = b'(';
    const TUPLE: u8 = b't';
    const REDUCE: u8 = b'R';

    fn dict<'a, T: 'a>(
        &mut self,
        items: impl Iterator<Item = (&'a String, &'a T)>,
        mut write: impl FnMut(&mut Self, &T),
    ) {
        self.code.extend([b'}', Self::MARK]);
        for (key, value) in items {
            self.text(key);
            write(self, value);
        }
        self.code.push(b'u');
    }

    /// The tensors' data are numbered in the order in which they are written.
    fn tensor(&mut self, tensor: &Array) {
        let kind = match tensor.values {
            Values::Int32(_) => "IntStorage",
            Values::Float32(_) => "FloatStorage",
        };
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.code.extend([Self::MARK, Self::MARK]);
        self.text("storage");
        self.global("torch", kind);
        self.text(&self.tensors.to_string());
        self.text("cpu");
        self.int(tensor.values.len());
        self.code.extend([Self::TUPLE, b'Q']);
        self.int(0);
        self.tuple(&tensor.shape);
        let mut strides = vec![1; tensor.shape.len()];
        for i in (1..strides.len()).rev() {
            strides[i - 1] = strides[i] * tensor.shape[i];
        }
        self.tuple(&strides);
        self.code.push(0x89);
        self.global("collections", "OrderedDict");
        self.code
            .extend([b')', Self::REDUCE, Self::TUPLE, Self::REDUCE]);
        self.tensors += 1;
    }

    fn tuple(&mut self, values: &[usize]) {
        self.code.push(Self::MARK);
        for &value in values {
            self.int(value);
        }
        self.code.push(Self::TUPLE);
    }

    /// Sizes and offsets, which stay far below the format's 32 bits.
    fn int(&mut self, value: usize) {
        self.code.push(b'J');
        self.code.extend((value as i32).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.code.push(b'X');
        self.code.extend((text.len() as u32).to_le_bytes());
        self.code.extend(text.as_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.code.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn finish(self) -> Vec<u8> {
        [&[0x80, 2], self.code.as_slice(), b"."].concat()
    }
}
