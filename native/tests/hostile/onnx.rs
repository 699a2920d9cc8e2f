//! ONNX files: other networks, numbers that become sizes, nesting, data elsewhere, damage.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use native::voice::{PartialWindow, SpeakerEncoder, SpeechTokenizer};

use super::onnx_file::{
    FLOAT, INT32, constant, field, int, ints, node, number, sizes, tensor, through, valid, value,
    varint, with,
};
use super::{Row, assert_refused};

/// Loads a speech tokenizer and, if it loads, runs it.
fn run(path: &Path) -> Result<(), String> {
    let tokenizer = SpeechTokenizer::load(path).map_err(|e| e.to_string())?;
    let mel = Tensor::zeros((128, 10), DType::F32, &Device::Cpu).unwrap();
    tokenizer
        .tokens(&mel)
        .map(|_| ())
        .map_err(|e| e.to_string())
}

fn files() -> Vec<Row> {
    let whole = valid().model();
    let graph = valid().bytes();
    let nested_graphs = (0..1000).fold(vec![], |inner: Vec<u8>, _| {
        let attribute = [field(1, "body"), field(6, inner), int(20, 5)].concat();
        field(1, node("Loop", &[], "x", &[attribute]))
    });
    let nested_types = (0..10_000).fold(vec![], |inner: Vec<u8>, _| field(4, field(1, inner)));
    vec![
        ("one byte", vec![0x0a], "cut short"),
        ("text", b"this is no network".to_vec(), "not an ONNX file"),
        ("zeros", vec![0; 100], "it has 0 graphs"),
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
            "a length of 2^63",
            [varint(7 << 3 | 2), varint(1 << 63)].concat(),
            "cut short",
        ),
        (
            "a number of eleven bytes",
            [&[0x08][..], &[0xff; 11]].concat(),
            "not an ONNX file",
        ),
        (
            "a group, which is of an old format",
            vec![0x0b, 0x0c],
            "not an ONNX file",
        ),
        (
            "no graph",
            [int(1, 7), field(8, int(2, 13))].concat(),
            "it has 0 graphs",
        ),
        (
            "two graphs",
            [whole.clone(), field(7, &graph)].concat(),
            "it has 2 graphs",
        ),
        (
            "no operators' version",
            with(|g| g.opset = None),
            "does not say of which version",
        ),
        (
            "operators of version 0",
            with(|g| g.opset = Some(0)),
            "operators of version 0",
        ),
        (
            "operators of version 1,000",
            with(|g| g.opset = Some(1000)),
            "operators of version 1000",
        ),
        (
            "operators of version −1",
            with(|g| g.opset = Some(-1)),
            "operators of version 18446744073709551615",
        ),
        (
            "a thousand graphs within each other",
            with(|g| g.more = nested_graphs),
            "nested deeper than 8",
        ),
        (
            "ten thousand types within each other",
            with(|g| g.more = field(13, [field(1, "t"), field(2, nested_types)].concat())),
            "types are nested deeper",
        ),
        (
            "300,000 nodes",
            with(|g| g.nodes = vec![node("Relu", &["feats"], "x", &[]); 300_000]),
            "300000 nodes",
        ),
        (
            "sparse tensors",
            with(|g| g.more = field(15, [])),
            "sparse tensors",
        ),
    ]
}

fn networks() -> Vec<Row> {
    vec![
        (
            "one input",
            with(|g| {
                g.inputs.pop();
            }),
            "has 1 inputs",
        ),
        (
            "three inputs",
            with(|g| g.inputs.push(value("z", FLOAT, None))),
            "has 3 inputs",
        ),
        ("no outputs", with(|g| g.outputs.clear()), "and 0 outputs"),
        (
            "an input without a name",
            with(|g| g.inputs[0] = value("", FLOAT, None)),
            " be run",
        ),
        (
            "an output that nothing makes",
            with(|g| g.outputs = vec![value("nothing", INT32, None)]),
            " be run",
        ),
        (
            "an operator that is not there",
            through("Teleport", &[], &[], &[]),
            " be run",
        ),
        (
            "an input of whole numbers",
            with(|g| g.inputs[0] = value("feats", INT32, None)),
            "input `feats` is not of Float",
        ),
        (
            "an input of another height",
            with(|g| g.inputs[0] = value("feats", FLOAT, Some(&[1, 80, -1]))),
            "input `feats` is of another shape than [1, 128, frames]",
        ),
        (
            "an input of two dimensions",
            with(|g| g.inputs[0] = value("feats", FLOAT, Some(&[128, -1]))),
            "input `feats` is of another shape",
        ),
        (
            "an input of a fixed length",
            with(|g| g.inputs[0] = value("feats", FLOAT, Some(&[1, 128, 3000]))),
            "input `feats` is of another shape",
        ),
        (
            "a length of floats",
            with(|g| g.inputs[1] = value("feats_length", FLOAT, None)),
            "input `feats_length` is not of Int32",
        ),
        (
            "an output of floats",
            with(|g| g.nodes = vec![node("Relu", &["feats"], "indices", &[])]),
            "something else than integer tokens",
        ),
        (
            "nodes in a circle",
            with(|g| {
                g.nodes = vec![
                    node("Relu", &["y"], "x", &[]),
                    node("Cast", &["x"], "y", &[number("to", 1)]),
                    node("Cast", &["y"], "indices", &[number("to", 6)]),
                ]
            }),
            " be run",
        ),
        (
            "a node without an output",
            with(|g| {
                g.nodes
                    .push([field(1, "feats"), field(4, "Constant")].concat())
            }),
            " be run",
        ),
        (
            "a product of shapes that do not fit",
            through(
                "MatMul",
                &["w"],
                &[],
                &[tensor("w", &[3, 1], FLOAT, &[0; 12])],
            ),
            " be run",
        ),
        (
            "a reshape that does not fit",
            through("Reshape", &["s"], &[], &[sizes("s", &[7, 7])]),
            " be run",
        ),
        (
            "a permutation of other axes",
            through("Transpose", &[], &[ints("perm", &[5, 6, 7])], &[]),
            " be run",
        ),
        (
            "an axis that is not there",
            through("Softmax", &[], &[number("axis", 99)], &[]),
            " be run",
        ),
        (
            "an element that is not there",
            through(
                "Gather",
                &["i"],
                &[number("axis", 2)],
                &[sizes("i", &[999_999])],
            ),
            " be run",
        ),
    ]
}

fn numbers() -> Vec<Row> {
    let pool = |name: &str, values: &[i64]| {
        let mut attributes = vec![ints("kernel_shape", &[2])];
        attributes.retain(|_| name != "kernel_shape");
        attributes.push(ints(name, values));
        through("AveragePool", &[], &attributes, &[])
    };
    let weight = tensor("w", &[1, 128, 1], FLOAT, &[0; 512]);
    let nan: Vec<u8> = [1.0, f32::NAN]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let external = [
        int(1, 1),
        int(2, 1),
        field(8, "w"),
        int(14, 1),
        field(
            13,
            [field(1, "location"), field(2, "../../etc/passwd")].concat(),
        ),
    ]
    .concat();
    vec![
        (
            "a kernel of 0",
            pool("kernel_shape", &[0]),
            "`kernel_shape` is 0",
        ),
        (
            "a kernel of −1",
            pool("kernel_shape", &[-1]),
            "`kernel_shape` is -1",
        ),
        (
            "a kernel of 2^62",
            pool("kernel_shape", &[1 << 62]),
            "`kernel_shape` is 4611686018427387904",
        ),
        ("a stride of 0", pool("strides", &[0]), "`strides` is 0"),
        (
            "a dilation of 2^40",
            pool("dilations", &[1 << 40]),
            "`dilations` is 1099511627776",
        ),
        (
            "padding of 2^62",
            pool("pads", &[0, 1 << 62]),
            "`pads` is 4611686018427387904",
        ),
        (
            "no groups",
            through(
                "Conv",
                &["w"],
                &[number("group", 0)],
                std::slice::from_ref(&weight),
            ),
            "`group` is 0",
        ),
        (
            "127 groups of 128 channels",
            through("Conv", &["w"], &[number("group", 127)], &[weight]),
            " be run",
        ),
        (
            "a tensor of 10^12 made of nothing",
            with(|g| {
                g.nodes.push(node("ConstantOfShape", &["s"], "big", &[]));
                g.constants = vec![sizes("s", &[1_000_000, 1_000_000])];
            }),
            "asks for a tensor of [1000000, 1000000]",
        ),
        (
            "a shape of 2^63 − 1, of a constant node",
            with(|g| {
                g.nodes.insert(
                    0,
                    node("Constant", &[], "s", &[ints("value_ints", &[i64::MAX])]),
                );
                g.nodes.push(node("ConstantOfShape", &["s"], "big", &[]));
            }),
            "asks for a tensor of [9223372036854775807]",
        ),
        (
            "an expansion to 2^40",
            through("Expand", &["s"], &[], &[sizes("s", &[1 << 40, 128, 10])]),
            "asks for a tensor",
        ),
        (
            "a billion repeats",
            through("Tile", &["s"], &[], &[sizes("s", &[1, 1_000_000, 1000])]),
            "asks for a tensor",
        ),
        (
            "a range of 2^60",
            with(|g| {
                g.constants = ["a", "b", "c"].map(|n| sizes(n, &[1 << 60])).to_vec();
                g.nodes.push(node("Range", &["a", "b", "c"], "r", &[]));
            }),
            "asks for a tensor",
        ),
        (
            "padding of 2^40 by an input",
            through("Pad", &["p"], &[], &[sizes("p", &[0, 0, 0, 0, 0, 1 << 40])]),
            "asks for a tensor",
        ),
        (
            "a tensor of fewer bytes",
            constant(tensor("w", &[4], FLOAT, &[0; 12])),
            "tensor `w`: shape [4] does not fit its 3 elements",
        ),
        (
            "a tensor of more bytes",
            constant(tensor("w", &[2], FLOAT, &[0; 12])),
            "shape [2] does not fit its 3 elements",
        ),
        (
            "a tensor of half a number",
            constant(tensor("w", &[2], FLOAT, &[0; 9])),
            "does not fit",
        ),
        (
            "a dimension of −1",
            constant(tensor("w", &[-1], FLOAT, &[0; 12])),
            "shape [-1] does not fit",
        ),
        (
            "a shape that overflows",
            constant(tensor("w", &[i64::MAX, 2], FLOAT, &[0; 12])),
            "does not fit",
        ),
        (
            "a hundred dimensions",
            constant(tensor("w", &[1; 100], FLOAT, &[0; 4])),
            "more than 8 dimensions",
        ),
        (
            "a tensor of text",
            constant(tensor("w", &[1], 8, b"a")),
            "elements of type 8",
        ),
        (
            "a tensor of no type",
            constant(tensor("w", &[1], 0, &[0; 4])),
            "elements of type 0",
        ),
        (
            "a tensor with a NaN",
            constant(tensor("w", &[2], FLOAT, &nan)),
            "tensor `w`: it holds a value that is not a number",
        ),
        (
            "a list of floats with a NaN",
            constant([int(1, 2), int(2, 1), field(4, &nan), field(8, "w")].concat()),
            "not a number",
        ),
        (
            "a half with a NaN",
            constant(tensor("w", &[1], 10, &[1, 0x7c])),
            "not a number",
        ),
        (
            "data in another file",
            constant(external),
            "its data are in another file",
        ),
        (
            "a name that clears the screen",
            constant(tensor("\u{1b}[2J", &[2], FLOAT, &[0; 4])),
            r"tensor `\u{1b}[2J`",
        ),
    ]
}

#[test]
fn the_network_that_the_others_are_made_from_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("speech_tokenizer_v3.onnx");
    std::fs::write(&path, valid().model()).unwrap();
    run(&path).unwrap();
    let infinite = f32::NEG_INFINITY.to_le_bytes();
    std::fs::write(&path, constant(tensor("mask", &[1], FLOAT, &infinite))).unwrap();
    run(&path).unwrap();
}

#[test]
fn hostile_files_are_refused() {
    assert_refused("speech_tokenizer_v3.onnx", &files(), run);
}

#[test]
fn other_networks_are_refused() {
    assert_refused("speech_tokenizer_v3.onnx", &networks(), run);
}

#[test]
fn hostile_numbers_are_refused() {
    assert_refused("speech_tokenizer_v3.onnx", &numbers(), run);
}

#[test]
fn a_speaker_encoder_of_another_shape_is_refused() {
    let encoder = |dims: &[i64]| {
        with(|graph| {
            graph.inputs = vec![value("input", FLOAT, Some(dims))];
            graph.nodes = vec![node("Relu", &["input"], "output", &[])];
            graph.outputs = vec![value("output", FLOAT, None)];
        })
    };
    let rows: Vec<Row> = vec![
        (
            "40 channels",
            encoder(&[1, -1, 40]),
            "another shape than [1, frames, 80]",
        ),
        ("a batch of 2", encoder(&[2, -1, 80]), "another shape"),
        ("a speech tokenizer", valid().model(), "has 2 inputs"),
    ];
    for pooling in [PartialWindow::Ort118, PartialWindow::TrueCount] {
        assert_refused("campplus.onnx", &rows, |path| {
            SpeakerEncoder::load(path, pooling)
                .map(|_| ())
                .map_err(|error| error.to_string())
        });
    }
}

#[test]
fn a_network_cut_short_or_changed_anywhere_is_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("speech_tokenizer_v3.onnx");
    let whole = through(
        "AveragePool",
        &[],
        &[ints("kernel_shape", &[2])],
        &[tensor("w", &[2], FLOAT, &[0; 8])],
    );
    for at in 0..whole.len() {
        std::fs::write(&path, &whole[..at]).unwrap();
        let _ = run(&path);
        for bit in [0x01, 0x10, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            std::fs::write(&path, changed).unwrap();
            let _ = run(&path);
        }
    }
}
