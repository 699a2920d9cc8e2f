//! ONNX files of a few nodes, written field by field.

use super::protobuf::{write_bytes, write_varint};

pub const FLOAT: u64 = 1;
pub const INT32: u64 = 6;

/// An attribute of a node.
pub enum Attribute {
    Int(u64),
    Ints(&'static [u64]),
    /// A list in one field, as later versions of protocol buffers write it.
    PackedInts(&'static [u64]),
    String(&'static str),
}

/// A message of fields that hold bytes.
pub fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, bytes) in fields {
        write_bytes(&mut message, *number, bytes);
    }
    message
}

fn number(message: &mut Vec<u8>, field: u64, value: u64) {
    write_varint(message, field << 3);
    write_varint(message, value);
}

fn attribute(name: &str, value: &Attribute) -> Vec<u8> {
    let mut attribute = message(&[(1, name.as_bytes())]);
    let kind = match value {
        Attribute::Int(int) => {
            number(&mut attribute, 3, *int);
            2
        }
        Attribute::String(string) => {
            write_bytes(&mut attribute, 4, string.as_bytes());
            3
        }
        Attribute::Ints(ints) => {
            ints.iter().for_each(|&int| number(&mut attribute, 8, int));
            7
        }
        Attribute::PackedInts(ints) => {
            let mut packed = Vec::new();
            ints.iter().for_each(|&int| write_varint(&mut packed, int));
            write_bytes(&mut attribute, 8, &packed);
            7
        }
    };
    number(&mut attribute, 20, kind);
    attribute
}

/// A node.
pub fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Vec<u8> {
    let mut node = Vec::new();
    inputs
        .iter()
        .for_each(|input| write_bytes(&mut node, 1, input.as_bytes()));
    write_bytes(&mut node, 2, output.as_bytes());
    write_bytes(&mut node, 4, op.as_bytes());
    for (name, value) in attributes {
        write_bytes(&mut node, 5, &attribute(name, value));
    }
    node
}

/// An input or output of any shape.
fn value(name: &str, element: u64) -> Vec<u8> {
    let mut tensor = Vec::new();
    number(&mut tensor, 1, element);
    message(&[(1, name.as_bytes()), (2, &message(&[(1, &tensor)]))])
}

/// A model of opset 13.
pub fn model(nodes: &[Vec<u8>], inputs: &[(&str, u64)], output: (&str, u64)) -> Vec<u8> {
    let mut graph = Vec::new();
    nodes
        .iter()
        .for_each(|node| write_bytes(&mut graph, 1, node));
    write_bytes(&mut graph, 2, b"test");
    inputs
        .iter()
        .for_each(|(name, of)| write_bytes(&mut graph, 11, &value(name, *of)));
    write_bytes(&mut graph, 12, &value(output.0, output.1));
    let mut opset = Vec::new();
    number(&mut opset, 2, 13);
    let mut model = Vec::new();
    number(&mut model, 1, 7);
    write_bytes(&mut model, 8, &opset);
    write_bytes(&mut model, 7, &graph);
    model
}

/// The attributes of an average pool over one axis, as CAM++ has them.
pub fn pool(ceil_mode: u64, count_include_pad: u64) -> [(&'static str, Attribute); 5] {
    [
        ("ceil_mode", Attribute::Int(ceil_mode)),
        ("count_include_pad", Attribute::Int(count_include_pad)),
        ("kernel_shape", Attribute::Ints(&[4])),
        ("pads", Attribute::Ints(&[0, 0])),
        ("strides", Attribute::Ints(&[4])),
    ]
}

/// A speaker encoder that averages over windows of four frames and no more: of [1, C, T] it
/// gives [1, C, ⌈T / 4⌉].
pub fn pooling_encoder() -> Vec<u8> {
    let pool = node("AveragePool", &["input"], "output", &pool(1, 1));
    model(&[pool], &[("input", FLOAT)], ("output", FLOAT))
}

/// A speaker encoder that gives the mean of each channel: of [1, T, C] it gives [1, C].
pub fn mean_encoder() -> Vec<u8> {
    let axes = ("axes", Attribute::Ints(&[1]));
    let mean = node(
        "ReduceMean",
        &["input"],
        "output",
        &[axes, ("keepdims", Attribute::Int(0))],
    );
    model(&[mean], &[("input", FLOAT)], ("output", FLOAT))
}

/// A tokenizer that rounds towards zero: of [1, C, T] it gives one token for each element.
pub fn rounding_tokenizer() -> Vec<u8> {
    let cast = node(
        "Cast",
        &["feats"],
        "indices",
        &[("to", Attribute::Int(INT32))],
    );
    model(
        &[cast],
        &[("feats", FLOAT), ("feats_length", INT32)],
        ("indices", INT32),
    )
}

/// A tokenizer that gives one token for a recording: the length it is told.
pub fn counting_tokenizer() -> Vec<u8> {
    let identity = node("Identity", &["feats_length"], "indices", &[]);
    model(
        &[identity],
        &[("feats", FLOAT), ("feats_length", INT32)],
        ("indices", INT32),
    )
}
