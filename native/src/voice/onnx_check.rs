//! What an ONNX file must be before a runtime is given it.
//!
//! The runtime follows the file's nesting by recursion, opens the files that it names, and allocates
//! what its numbers ask for. So nesting, data outside the file, the sizes of tensors, and the numbers
//! that become sizes are held against the file first.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::collections::HashMap;

use super::protobuf::{Field, Fields, Wire, varint};
use crate::file::shown;

/// Graphs within graphs, and types within types.
const MAX_DEPTH: usize = 8;
const MAX_DIMENSIONS: usize = 8;
/// Nodes of the largest graph; the published speech tokenizer has some thousands.
const MAX_NODES: usize = 200_000;
/// Versions of the operators that exist.
const OPSETS: std::ops::RangeInclusive<u64> = 7..=30;
/// The largest kernel, stride, dilation, padding or group.
const MAX_EXTENT: i64 = 1 << 16;
/// Elements that a constant may ask to be made out of nothing.
const MAX_MADE: i64 = 1 << 26;
/// Elements of the constants that are remembered because they may say a size.
const MAX_SIZES: usize = 16;

/// Checks the bytes of a model.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(model: &[u8]) -> Result<(), String> {
    let (mut graphs, mut opset) = (0, None);
    for field in (Fields { rest: model }) {
        match field? {
            Field {
                number: 7,
                value: Wire::Bytes(graph),
                ..
            } => {
                graphs += 1;
                check_graph(graph, 0, &mut Sizes::new())?;
            }
            Field {
                number: 8,
                value: Wire::Bytes(import),
                ..
            } => opset = default_opset(import)?.or(opset),
            _ => {}
        }
    }
    if graphs != 1 {
        return Err(format!(
            "not an ONNX file, or a damaged one: it has {graphs} graphs"
        ));
    }
    match opset {
        Some(version) if OPSETS.contains(&version) => Ok(()),
        Some(version) => Err(format!(
            "it asks for operators of version {version}, which are not supported ({} to {})",
            OPSETS.start(),
            OPSETS.end()
        )),
        None => Err("it does not say of which version its operators are".to_owned()),
    }
}

/// The values of small integer constants, by name.
type Sizes<'a> = HashMap<&'a [u8], Vec<i64>>;

/// The version, if it is that of ONNX's own operators.
fn default_opset(import: &[u8]) -> Result<Option<u64>, String> {
    let (mut domain, mut version) = (&[][..], None);
    for field in (Fields { rest: import }) {
        match field? {
            Field {
                number: 1,
                value: Wire::Bytes(name),
                ..
            } => domain = name,
            Field {
                number: 2,
                value: Wire::Varint(number),
                ..
            } => version = Some(number),
            _ => {}
        }
    }
    Ok(version.filter(|_| matches!(domain, b"" | b"ai.onnx")))
}

fn check_graph<'a>(graph: &'a [u8], depth: usize, sizes: &mut Sizes<'a>) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("its graphs are nested deeper than {MAX_DEPTH}"));
    }
    let mut nodes = Vec::new();
    for field in (Fields { rest: graph }) {
        let field = field?;
        let Wire::Bytes(bytes) = field.value else {
            continue;
        };
        match field.number {
            1 => nodes.push(bytes),
            5 => {
                let tensor = TensorInfo::read(bytes)?;
                tensor.check()?;
                sizes.extend(tensor.sizes().map(|sizes| (tensor.name, sizes)));
            }
            11..=13 => check_value(bytes)?,
            15 => return Err("it has sparse tensors, which are not supported".to_owned()),
            _ => {}
        }
    }
    if nodes.len() > MAX_NODES {
        return Err(format!(
            "it has {} nodes, at most {MAX_NODES} are supported",
            nodes.len()
        ));
    }
    nodes
        .into_iter()
        .try_for_each(|node| check_node(node, depth, sizes))
}

fn check_node<'a>(node: &'a [u8], depth: usize, sizes: &mut Sizes<'a>) -> Result<(), String> {
    let mut op = &[][..];
    let (mut inputs, mut outputs, mut value) = (Vec::new(), Vec::new(), None);
    let mut attributes = Vec::new();
    for field in (Fields { rest: node }) {
        let field = field?;
        match (field.number, field.value) {
            (1, Wire::Bytes(name)) => inputs.push(name),
            (2, Wire::Bytes(name)) => outputs.push(name),
            (4, Wire::Bytes(name)) => op = name,
            (5, Wire::Bytes(attribute)) => attributes.push(attribute),
            _ => {}
        }
    }
    let in_node = |reason: String| {
        let output = outputs.first().copied().unwrap_or_default();
        format!(
            "node `{}` ({}): {reason}",
            shown(&String::from_utf8_lossy(output)),
            shown(&String::from_utf8_lossy(op))
        )
    };
    for attribute in attributes {
        let read = check_attribute(attribute, depth, sizes).map_err(in_node)?;
        value = read.or(value);
    }
    if let (b"Constant", [output], Some(value)) = (op, outputs.as_slice(), value) {
        sizes.insert(output, value);
    }
    check_made(op, &inputs, sizes).map_err(in_node)
}

/// Whether constants ask a node to make more than there can be use for.
fn check_made(op: &[u8], inputs: &[&[u8]], sizes: &Sizes<'_>) -> Result<(), String> {
    let of_input = |i: usize| inputs.get(i).and_then(|name| sizes.get(name));
    let too_many = |numbers: &[i64]| Err(format!("it asks for a tensor of {numbers:?}"));
    let product = match op {
        b"ConstantOfShape" => of_input(0),
        b"Expand" | b"Tile" => of_input(1),
        _ => None,
    };
    if let Some(shape) = product {
        let count = shape
            .iter()
            .try_fold(1_i64, |n, &d| n.checked_mul(d.max(1)));
        if count.is_none_or(|count| count > MAX_MADE) {
            return too_many(shape);
        }
    }
    if matches!(op, b"Range" | b"Pad" | b"OneHot" | b"Resize" | b"Upsample") {
        for numbers in (0..inputs.len()).filter_map(of_input) {
            if numbers.iter().any(|n| n.unsigned_abs() > MAX_MADE as u64) {
                return too_many(numbers);
            }
        }
    }
    Ok(())
}

/// Checks an attribute; the values of a small constant.
fn check_attribute<'a>(
    attribute: &'a [u8],
    depth: usize,
    sizes: &mut Sizes<'a>,
) -> Result<Option<Vec<i64>>, String> {
    let (mut name, mut ints, mut constant) = (&[][..], Vec::new(), None);
    for field in (Fields { rest: attribute }) {
        let field = field?;
        match (field.number, field.value) {
            (1, Wire::Bytes(bytes)) => name = bytes,
            (3 | 8, Wire::Varint(int)) => ints.push(int.cast_signed()),
            (8, Wire::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    ints.push(varint(&mut packed)?.cast_signed());
                }
            }
            (5 | 10, Wire::Bytes(bytes)) => {
                let tensor = TensorInfo::read(bytes)?;
                tensor.check()?;
                constant = tensor.sizes();
            }
            (6 | 11, Wire::Bytes(graph)) => check_graph(graph, depth + 1, sizes)?,
            _ => {}
        }
    }
    let range = match name {
        b"kernel_shape" | b"strides" | b"dilations" | b"group" => 1..=MAX_EXTENT,
        b"pads" | b"output_padding" | b"output_shape" => -MAX_EXTENT..=MAX_EXTENT,
        b"value_int" | b"value_ints" if ints.len() <= MAX_SIZES => return Ok(Some(ints)),
        _ => return Ok(constant),
    };
    match ints.iter().find(|int| !range.contains(int)) {
        None => Ok(constant),
        Some(int) => Err(format!(
            "`{}` is {int}, which is not between {} and {}",
            String::from_utf8_lossy(name),
            range.start(),
            range.end()
        )),
    }
}

/// Checks an input, an output or another described value: its type may be nested.
fn check_value(value: &[u8]) -> Result<(), String> {
    for field in (Fields { rest: value }) {
        if let Field {
            number: 2,
            value: Wire::Bytes(kind),
            ..
        } = field?
        {
            check_type(kind, 0)?;
        }
    }
    Ok(())
}

fn check_type(kind: &[u8], depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("its types are nested deeper than {MAX_DEPTH}"));
    }
    for field in (Fields { rest: kind }) {
        // A sequence, a map or an optional: a message with a type within.
        if let Field {
            number: 4 | 5 | 9,
            value: Wire::Bytes(outer),
            ..
        } = field?
        {
            for inner in (Fields { rest: outer }) {
                if let Wire::Bytes(inner) = inner?.value {
                    check_type(inner, depth + 1)?;
                }
            }
        }
    }
    Ok(())
}

/// What a tensor's message says.
#[derive(Default)]
struct TensorInfo<'a> {
    name: &'a [u8],
    dims: Vec<i64>,
    element: u64,
    raw: Option<&'a [u8]>,
    floats: Values,
    /// The first whole numbers, one more than a size can have.
    ints: Vec<i64>,
    /// Elements in lists that are not of floats.
    others: usize,
    external: bool,
}

/// Elements in a list of floats.
#[derive(Default)]
struct Values {
    count: usize,
    nan: bool,
}

mod element {
    pub(super) const FLOAT: u64 = 1;
    pub(super) const UINT8: u64 = 2;
    pub(super) const INT8: u64 = 3;
    pub(super) const INT32: u64 = 6;
    pub(super) const INT64: u64 = 7;
    pub(super) const BOOL: u64 = 9;
    pub(super) const FLOAT16: u64 = 10;
    pub(super) const DOUBLE: u64 = 11;
}

impl<'a> TensorInfo<'a> {
    fn read(message: &'a [u8]) -> Result<Self, String> {
        let mut tensor = Self::default();
        for field in (Fields { rest: message }) {
            let field = field?;
            match (field.number, field.value) {
                (1, Wire::Varint(dim)) => tensor.dims.push(dim.cast_signed()),
                (1, Wire::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        tensor.dims.push(varint(&mut packed)?.cast_signed());
                    }
                }
                (2, Wire::Varint(element)) => tensor.element = element,
                (4, Wire::Fixed(bytes) | Wire::Bytes(bytes)) => {
                    tensor.floats.count += bytes.len() / 4;
                    tensor.floats.nan |= has_nan_f32(bytes);
                }
                (5 | 7, Wire::Varint(int)) => tensor.add_int(int),
                (5 | 7, Wire::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        tensor.add_int(varint(&mut packed)?);
                    }
                }
                (8, Wire::Bytes(name)) => tensor.name = name,
                (9, Wire::Bytes(raw)) => tensor.raw = Some(raw),
                (10, Wire::Fixed(bytes) | Wire::Bytes(bytes)) => {
                    tensor.others += bytes.len() / 8;
                }
                (13, _) | (14, Wire::Varint(1..)) => tensor.external = true,
                _ => {}
            }
            if tensor.dims.len() > MAX_DIMENSIONS {
                return Err(tensor.wrong(format!("it has more than {MAX_DIMENSIONS} dimensions")));
            }
        }
        Ok(tensor)
    }

    fn add_int(&mut self, int: u64) {
        self.others += 1;
        if self.ints.len() <= MAX_SIZES {
            self.ints.push(int.cast_signed());
        }
    }

    fn wrong(&self, reason: impl std::fmt::Display) -> String {
        let name = String::from_utf8_lossy(self.name);
        format!("tensor `{}`: {reason}", shown(&name))
    }

    fn check(&self) -> Result<(), String> {
        if self.external {
            return Err(self.wrong("its data are in another file, which is not supported"));
        }
        let width = match self.element {
            element::UINT8 | element::INT8 | element::BOOL => 1,
            element::FLOAT16 => 2,
            element::FLOAT | element::INT32 => 4,
            element::INT64 | element::DOUBLE => 8,
            other => return Err(self.wrong(format!("elements of type {other} are not supported"))),
        };
        let count = self.dims.iter().try_fold(1_usize, |count, &dim| {
            count.checked_mul(usize::try_from(dim).ok()?)
        });
        let have = match self.raw {
            Some(raw) => raw.len() / width,
            None => self.floats.count + self.others,
        };
        let odd = self.raw.is_some_and(|raw| !raw.len().is_multiple_of(width));
        if odd || count != Some(have) {
            return Err(self.wrong(format!(
                "shape {:?} does not fit its {have} elements",
                self.dims
            )));
        }
        // Infinities are left alone: a mask may consist of them.
        let raw = self.raw.unwrap_or_default();
        let nan = self.floats.nan
            || match self.element {
                element::FLOAT => has_nan_f32(raw),
                element::FLOAT16 => has_nan_f16(raw),
                _ => false,
            };
        if nan {
            return Err(self.wrong("it holds a value that is not a number: the file is damaged"));
        }
        Ok(())
    }

    /// The values, if they are whole numbers and few enough to be sizes.
    fn sizes(&self) -> Option<Vec<i64>> {
        let raw = self.raw.unwrap_or_default();
        let values: Vec<i64> = match self.element {
            element::INT64 if raw.len() <= 8 * MAX_SIZES => {
                let (words, _) = raw.as_chunks::<8>();
                words.iter().map(|w| i64::from_le_bytes(*w)).collect()
            }
            element::INT32 if raw.len() <= 4 * MAX_SIZES => {
                let (words, _) = raw.as_chunks::<4>();
                words
                    .iter()
                    .map(|w| i32::from_le_bytes(*w).into())
                    .collect()
            }
            _ => return None,
        };
        let values = if self.raw.is_some() {
            values
        } else {
            self.ints.clone()
        };
        (values.len() <= MAX_SIZES).then_some(values)
    }
}

/// Whether float32 numbers have a NaN among them: without its sign, its bits are above infinity's.
fn has_nan_f32(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<4>();
    let bits = words.iter().map(|w| u32::from_le_bytes(*w) << 1);
    bits.max()
        .is_some_and(|top| top > f32::INFINITY.to_bits() << 1)
}

fn has_nan_f16(bytes: &[u8]) -> bool {
    const INFINITY: u16 = 0x7c00;
    let (halves, _) = bytes.as_chunks::<2>();
    let bits = halves.iter().map(|h| u16::from_le_bytes(*h) << 1);
    bits.max().is_some_and(|top| top > INFINITY << 1)
}
