//! Edits the bytes of an ONNX file so that every runtime averages like onnxruntime 1.18.
//!
//! An ONNX file is a protocol-buffer message. Only the few fields on the way to a pooling node's
//! attributes are understood here; everything else is copied byte for byte.

use super::protobuf::{Field, Fields, Wire, varint, write_bytes, write_varint};

/// Rewrites every `AveragePool` that rounds its output length up and counts padding, so that a
/// partial last window is divided by the full window's size: it rounds down instead, and pads
/// its end with zeros that count.
///
/// Only pools whose windows lie side by side, without padding of their own, can be rewritten
/// like that. A file without such pools comes back unchanged.
///
/// # Errors
/// If there is any other pool with `ceil_mode=1` and `count_include_pad=1`, or the bytes are not a
/// protocol-buffer message.
pub fn divide_by_full_window(onnx: &[u8]) -> Result<Vec<u8>, String> {
    rewrite(onnx, field::MODEL_GRAPH, &mut |graph| {
        rewrite(graph, field::GRAPH_NODE, &mut rewrite_node).map(Some)
    })
}

/// Field numbers of onnx.proto.
mod field {
    pub const MODEL_GRAPH: u64 = 7;
    pub const GRAPH_NODE: u64 = 1;
    pub const NODE_OP_TYPE: u64 = 4;
    pub const NODE_ATTRIBUTE: u64 = 5;
    pub const ATTRIBUTE_NAME: u64 = 1;
    pub const ATTRIBUTE_INT: u64 = 3;
    pub const ATTRIBUTE_STRING: u64 = 4;
    pub const ATTRIBUTE_INTS: u64 = 8;
    pub const ATTRIBUTE_TYPE: u64 = 20;
}

/// `AttributeProto.AttributeType.INTS`.
const TYPE_INTS: u64 = 7;

/// What is made of a sub-message: other bytes, or `None` to leave it alone.
type Edit<'a> = &'a mut dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>, String>;

/// `message` with every sub-message of field `number` replaced by what `edit` makes of it, or
/// left alone where that is `None`.
fn rewrite(message: &[u8], number: u64, edit: Edit<'_>) -> Result<Vec<u8>, String> {
    let mut written = Vec::with_capacity(message.len());
    for field in (Fields { rest: message }) {
        let field = field?;
        let edited = match field.value {
            Wire::Bytes(bytes) if field.number == number => edit(bytes)?,
            _ => None,
        };
        match edited {
            Some(edited) => write_bytes(&mut written, number, &edited),
            None => written.extend_from_slice(field.raw),
        }
    }
    Ok(written)
}

fn rewrite_node(node: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut pool = Pool::default();
    for field in (Fields { rest: node }) {
        match field? {
            Field {
                number: field::NODE_OP_TYPE,
                value: Wire::Bytes(op),
                ..
            } => {
                if op != b"AveragePool" {
                    return Ok(None);
                }
                pool.is_average = true;
            }
            Field {
                number: field::NODE_ATTRIBUTE,
                value: Wire::Bytes(attribute),
                ..
            } => {
                pool.read_attribute(attribute)?;
            }
            _ => {}
        }
    }
    let Some(pads) = pool.zero_padding()? else {
        return Ok(None);
    };
    let mut written = Vec::with_capacity(node.len() + 32);
    for field in (Fields { rest: node }) {
        let field = field?;
        let replaced = match field.value {
            Wire::Bytes(attribute) if field.number == field::NODE_ATTRIBUTE => {
                matches!(attribute_name(attribute)?, b"ceil_mode" | b"pads")
            }
            _ => false,
        };
        if !replaced {
            written.extend_from_slice(field.raw);
        }
    }
    write_bytes(
        &mut written,
        field::NODE_ATTRIBUTE,
        &ints_attribute(b"pads", &pads),
    );
    Ok(Some(written))
}

/// The attributes of a pooling node that decide about its last window.
#[derive(Default)]
struct Pool {
    is_average: bool,
    rounds_up: bool,
    counts_padding: bool,
    automatic_padding: bool,
    kernel: Vec<u64>,
    strides: Vec<u64>,
    pads: Vec<u64>,
}

impl Pool {
    fn read_attribute(&mut self, attribute: &[u8]) -> Result<(), String> {
        let (mut int, mut ints, mut string) = (0, Vec::new(), &[][..]);
        for field in (Fields { rest: attribute }) {
            match field? {
                Field {
                    number: field::ATTRIBUTE_INT,
                    value: Wire::Varint(i),
                    ..
                } => int = i,
                Field {
                    number: field::ATTRIBUTE_INTS,
                    value: Wire::Varint(i),
                    ..
                } => ints.push(i),
                // Lists of numbers may be packed into one field.
                Field {
                    number: field::ATTRIBUTE_INTS,
                    value: Wire::Bytes(mut packed),
                    ..
                } => {
                    while !packed.is_empty() {
                        ints.push(varint(&mut packed)?);
                    }
                }
                Field {
                    number: field::ATTRIBUTE_STRING,
                    value: Wire::Bytes(s),
                    ..
                } => string = s,
                _ => {}
            }
        }
        match attribute_name(attribute)? {
            b"ceil_mode" => self.rounds_up = int == 1,
            b"count_include_pad" => self.counts_padding = int == 1,
            b"auto_pad" => self.automatic_padding = !matches!(string, b"" | b"NOTSET"),
            b"kernel_shape" => self.kernel = ints,
            b"strides" => self.strides = ints,
            b"pads" => self.pads = ints,
            _ => {}
        }
        Ok(())
    }

    /// The padding that stands for rounding up, or `None` where nothing is to be done.
    fn zero_padding(&self) -> Result<Option<Vec<u64>>, String> {
        if !(self.is_average && self.rounds_up && self.counts_padding) {
            return Ok(None);
        }
        let side_by_side = !self.kernel.is_empty() && self.strides == self.kernel;
        let padded = self.automatic_padding || self.pads.iter().any(|&pad| pad != 0);
        if !side_by_side || padded || self.kernel.contains(&0) {
            return Err(format!(
                "has an average pool of kernel {:?}, strides {:?} and pads {:?} that rounds up: \
                 how onnxruntime 1.18 divides its last window is not known for that; load it \
                 with the true count instead",
                self.kernel, self.strides, self.pads
            ));
        }
        let begin = self.kernel.iter().map(|_| 0);
        Ok(Some(
            begin.chain(self.kernel.iter().map(|&k| k - 1)).collect(),
        ))
    }
}

fn attribute_name(attribute: &[u8]) -> Result<&[u8], String> {
    let mut name = &[][..];
    for field in (Fields { rest: attribute }) {
        if let Field {
            number: field::ATTRIBUTE_NAME,
            value: Wire::Bytes(bytes),
            ..
        } = field?
        {
            name = bytes;
        }
    }
    Ok(name)
}

fn ints_attribute(name: &[u8], ints: &[u64]) -> Vec<u8> {
    let mut attribute = Vec::new();
    write_bytes(&mut attribute, field::ATTRIBUTE_NAME, name);
    for &int in ints {
        write_varint(&mut attribute, field::ATTRIBUTE_INTS << 3);
        write_varint(&mut attribute, int);
    }
    write_varint(&mut attribute, field::ATTRIBUTE_TYPE << 3);
    write_varint(&mut attribute, TYPE_INTS);
    attribute
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_networks::{Attribute, FLOAT, message, model, node, pool};
    use super::*;

    fn with_pool(attributes: &[(&str, Attribute)]) -> Vec<u8> {
        let nodes = [
            node("Relu", &["input"], "relu", &[]),
            node("AveragePool", &["relu"], "pooled", attributes),
            node("MaxPool", &["pooled"], "output", &pool(1, 1)),
        ];
        model(&nodes, &[("input", FLOAT)], ("output", FLOAT))
    }

    #[test]
    fn only_the_average_pool_is_rewritten() {
        let patched = divide_by_full_window(&with_pool(&pool(1, 1))).unwrap();
        let expected = with_pool(&[
            ("count_include_pad", Attribute::Int(1)),
            ("kernel_shape", Attribute::Ints(&[4])),
            ("strides", Attribute::Ints(&[4])),
            ("pads", Attribute::Ints(&[0, 3])),
        ]);
        assert_eq!(patched, expected);
    }

    #[test]
    fn pools_that_every_runtime_divides_alike_are_left_alone() {
        for attributes in [pool(0, 1), pool(1, 0), pool(0, 0)] {
            let file = with_pool(&attributes);
            assert_eq!(divide_by_full_window(&file).unwrap(), file);
        }
    }

    #[test]
    fn packed_and_absent_lists_are_understood() {
        let patched = divide_by_full_window(&with_pool(&[
            ("ceil_mode", Attribute::Int(1)),
            ("count_include_pad", Attribute::Int(1)),
            ("kernel_shape", Attribute::PackedInts(&[2, 200])),
            ("strides", Attribute::PackedInts(&[2, 200])),
            ("auto_pad", Attribute::String("NOTSET")),
        ]))
        .unwrap();
        let expected = with_pool(&[
            ("count_include_pad", Attribute::Int(1)),
            ("kernel_shape", Attribute::PackedInts(&[2, 200])),
            ("strides", Attribute::PackedInts(&[2, 200])),
            ("auto_pad", Attribute::String("NOTSET")),
            ("pads", Attribute::Ints(&[0, 0, 1, 199])),
        ]);
        assert_eq!(patched, expected);
    }

    #[test]
    fn a_pool_whose_last_window_is_not_understood_is_an_error() {
        let up = || ("ceil_mode", Attribute::Int(1));
        let counts = || ("count_include_pad", Attribute::Int(1));
        let kernel = || ("kernel_shape", Attribute::Ints(&[4]));
        let strides = |strides| ("strides", Attribute::Ints(strides));
        let overlapping = [up(), counts(), kernel(), strides(&[2])];
        let padded = [
            up(),
            counts(),
            kernel(),
            strides(&[4]),
            ("pads", Attribute::Ints(&[1, 1])),
        ];
        let automatic = [
            up(),
            counts(),
            kernel(),
            strides(&[4]),
            ("auto_pad", Attribute::String("VALID")),
        ];
        let empty = [up(), counts()];
        for attributes in [&overlapping[..], &padded, &automatic, &empty] {
            let error = divide_by_full_window(&with_pool(attributes)).unwrap_err();
            assert!(error.contains("true count"), "{error}");
        }
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let file = with_pool(&pool(1, 1));
        for length in (1..file.len()).filter(|&length| length > 6) {
            assert!(
                divide_by_full_window(&file[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(divide_by_full_window(b"this is no network").is_err());
        // A number of more than 64 bits, and a length beyond the end.
        assert!(divide_by_full_window(&[0xff; 16]).is_err());
        assert!(divide_by_full_window(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        // The graph's own bytes are no message.
        assert!(divide_by_full_window(&message(&[(7, b"abc")])).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = divide_by_full_window(&bytes);
            let _ = divide_by_full_window(&message(&[(7, &bytes)]));
            let _ = divide_by_full_window(&message(&[(7, &message(&[(1, &bytes)]))]));
        }

        #[test]
        fn one_wrong_byte_does_not_make_it_panic(at in 0_usize..300, byte in any::<u8>()) {
            let mut file = with_pool(&pool(1, 1));
            let at = at % file.len();
            file[at] = byte;
            let _ = divide_by_full_window(&file);
        }
    }
}
