//! Named records of tensors in the file format of `torch.save`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use indexmap::IndexMap;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::file::shown;
use crate::new_file::NewFile;
use crate::torch_file::{Element, Object, Objects, Storages, TensorInfo, TorchFile};
use crate::{Error, Result};

/// Name → tensor.
pub(super) type Record = BTreeMap<String, Array>;
/// Name → record, in the order in which the names were added, which is that of Python's dictionaries.
pub(super) type Records = IndexMap<String, Record>;

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
pub(super) fn read(path: &Path) -> Result<Records> {
    let damaged = |reason: String| Error::format(path, reason);
    let TorchFile {
        pickle,
        mut storages,
    } = TorchFile::open(path)?;
    let size = pickle.len();
    let pickle = TorchFile::objects(&pickle).map_err(damaged)?;
    let dict = |object| {
        let entries = pickle.dict(object);
        entries.ok_or_else(|| damaged("not a dictionary of dictionaries of tensors".to_owned()))
    };
    let mut records = Records::new();
    // One dictionary can stand for many records, so that a short file asks for endless work.
    let mut entries = 0;
    for (name, record) in dict(pickle.root())? {
        let mut tensors = Record::new();
        let record = dict(record)?;
        entries += record.len();
        if entries > size {
            return Err(damaged("its speakers share their entries".to_owned()));
        }
        for (key, object) in record {
            let array = array(&pickle, object, &mut storages)
                .map_err(|e| damaged(format!("`{}` of `{}`: {e}", shown(key), shown(name))))?;
            tensors.extend(array.map(|array| (key.to_owned(), array)));
        }
        if records.insert(name.to_owned(), tensors).is_some() {
            return Err(damaged(format!("has two speakers `{}`", shown(name))));
        }
    }
    storages.finish().map_err(damaged)?;
    Ok(records)
}

/// `None` for an object that is not a tensor, or one of another element type.
fn array<'a>(
    objects: &Objects<'a>,
    object: Object<'a>,
    storages: &mut Storages,
) -> Result<Option<Array>, String> {
    let Some(tensor) = TensorInfo::of(objects, object)? else {
        return Ok(None);
    };
    let values = match tensor.element {
        Element::F32 => Values::Float32(decode(&storages.read(&tensor)?, f32::from_le_bytes)),
        Element::I32 => Values::Int32(decode(&storages.read(&tensor)?, i32::from_le_bytes)),
        _ => return Ok(None),
    };
    let shape = tensor.shape;
    Ok(Some(Array { shape, values }))
}

fn decode<T>(bytes: &[u8], decode: fn([u8; 4]) -> T) -> Vec<T> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().copied().map(decode).collect()
}

/// Writes what [`read`] reads, and `torch.load(…, weights_only=True)` too. The file is replaced
/// as a whole: an interrupted write leaves the old one.
pub(super) fn write(path: &Path, records: &Records) -> Result<()> {
    let new = NewFile::create(path)?;
    write_archive(BufWriter::new(new.file()), records).map_err(Error::io(path))?;
    new.finish()
}

fn write_archive(file: BufWriter<&File>, records: &Records) -> io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("spk2info/{name}"), options)?;
        zip.write_all(bytes)
    };
    let mut pickle = Pickle::default();
    pickle.dict(records.iter(), |pickle, record| {
        pickle.dict(record.iter(), Pickle::tensor)
    })?;
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
        mut write: impl FnMut(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.code.extend([b'}', Self::MARK]);
        for (key, value) in items {
            self.text(key)?;
            write(self, value)?;
        }
        self.code.push(b'u');
        Ok(())
    }

    /// The tensors' data are numbered in the order in which they are written.
    fn tensor(&mut self, tensor: &Array) -> io::Result<()> {
        let kind = match tensor.values {
            Values::Int32(_) => "IntStorage",
            Values::Float32(_) => "FloatStorage",
        };
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.code.extend([Self::MARK, Self::MARK]);
        self.text("storage")?;
        self.global("torch", kind);
        self.text(&self.tensors.to_string())?;
        self.text("cpu")?;
        self.int(tensor.values.len())?;
        self.code.extend([Self::TUPLE, b'Q']);
        self.int(0)?;
        self.tuple(&tensor.shape)?;
        // From the last dimension to the first, each stride is the product of the sizes after it.
        let mut stride = 1;
        let mut strides = Vec::with_capacity(tensor.shape.len());
        for size in tensor.shape.iter().rev() {
            strides.push(stride);
            stride *= size;
        }
        strides.reverse();
        self.tuple(&strides)?;
        self.code.push(0x89);
        self.global("collections", "OrderedDict");
        self.code
            .extend([b')', Self::REDUCE, Self::TUPLE, Self::REDUCE]);
        self.tensors += 1;
        Ok(())
    }

    fn tuple(&mut self, values: &[usize]) -> io::Result<()> {
        self.code.push(Self::MARK);
        for &value in values {
            self.int(value)?;
        }
        self.code.push(Self::TUPLE);
        Ok(())
    }

    /// A size or an offset, for which the format has 32 bits.
    fn int(&mut self, value: usize) -> io::Result<()> {
        let value = i32::try_from(value).map_err(|_| too_large(value))?;
        self.code.push(b'J');
        self.code.extend(value.to_le_bytes());
        Ok(())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(|_| too_large(text.len()))?;
        self.code.push(b'X');
        self.code.extend(length.to_le_bytes());
        self.code.extend(text.as_bytes());
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) {
        self.code.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn finish(self) -> Vec<u8> {
        [&[0x80, 2], self.code.as_slice(), b"."].concat()
    }
}

fn too_large(size: usize) -> io::Error {
    io::Error::other(format!("a size of {size} does not fit the file format"))
}
