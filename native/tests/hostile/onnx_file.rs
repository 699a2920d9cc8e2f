//! ONNX files written field by field, so that they can be wrong in ways that no library writes.

pub(super) const FLOAT: u64 = 1;
pub(super) const INT32: u64 = 6;
pub(super) const INT64: u64 = 7;

pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of bytes or of a message.
pub(super) fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [
        varint(number << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

/// A field of a number.
pub(super) fn int(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value as u64)].concat()
}

pub(super) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name)).collect();
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|bytes| field(5, bytes))
        .collect();
    [inputs, field(2, output), field(4, op), attributes].concat()
}

pub(super) fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&value| int(8, value)).collect();
    [field(1, name), values, int(20, 7)].concat()
}

pub(super) fn number(name: &str, value: i64) -> Vec<u8> {
    [field(1, name), int(3, value), int(20, 2)].concat()
}

/// An input or output of these dimensions, −1 for one that is open; of any shape if `None`.
pub(super) fn value(name: &str, element: u64, dims: Option<&[i64]>) -> Vec<u8> {
    let dim = |&dim: &i64| match dim {
        -1 => field(1, field(2, "frames")),
        dim => field(1, int(1, dim)),
    };
    let shape = dims.map(|dims| field(2, dims.iter().flat_map(dim).collect::<Vec<u8>>()));
    let tensor = [int(1, element as i64), shape.unwrap_or_default()].concat();
    [field(1, name), field(2, field(1, tensor))].concat()
}

pub(super) fn tensor(name: &str, dims: &[i64], element: u64, raw: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| int(1, dim)).collect();
    [dims, int(2, element as i64), field(8, name), field(9, raw)].concat()
}

/// The parts of a graph.
#[derive(Clone)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Vec<u8>>,
    pub(super) constants: Vec<Vec<u8>>,
    pub(super) inputs: Vec<Vec<u8>>,
    pub(super) outputs: Vec<Vec<u8>>,
    pub(super) opset: Option<i64>,
    pub(super) more: Vec<u8>,
}

impl Graph {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let fields = |number, messages: &[Vec<u8>]| -> Vec<u8> {
            messages.iter().flat_map(|m| field(number, m)).collect()
        };
        [
            fields(1, &self.nodes),
            field(2, "g"),
            fields(5, &self.constants),
            fields(11, &self.inputs),
            fields(12, &self.outputs),
            self.more.clone(),
        ]
        .concat()
    }

    pub(super) fn model(&self) -> Vec<u8> {
        let opset = self.opset.map(|version| field(8, int(2, version)));
        [int(1, 7), opset.unwrap_or_default(), field(7, self.bytes())].concat()
    }
}

/// A speech tokenizer that rounds its input.
pub(super) fn valid() -> Graph {
    Graph {
        nodes: vec![node("Cast", &["feats"], "indices", &[number("to", 6)])],
        constants: vec![],
        inputs: vec![
            value("feats", FLOAT, Some(&[1, 128, -1])),
            value("feats_length", INT32, Some(&[1])),
        ],
        outputs: vec![value("indices", INT32, None)],
        opset: Some(13),
        more: vec![],
    }
}

pub(super) fn with(change: impl FnOnce(&mut Graph)) -> Vec<u8> {
    let mut graph = valid();
    change(&mut graph);
    graph.model()
}

/// The network with this node between its input and its cast.
pub(super) fn through(
    op: &str,
    more_inputs: &[&str],
    attributes: &[Vec<u8>],
    constants: &[Vec<u8>],
) -> Vec<u8> {
    with(|graph| {
        let inputs = [&["feats"], more_inputs].concat();
        graph.nodes = vec![
            node(op, &inputs, "x", attributes),
            node("Cast", &["x"], "indices", &[number("to", 6)]),
        ];
        graph.constants = constants.to_vec();
    })
}

/// The network with a tensor that nothing uses.
pub(super) fn constant(bytes: Vec<u8>) -> Vec<u8> {
    with(|graph| graph.constants = vec![bytes])
}

pub(super) fn sizes(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], INT64, &raw)
}
