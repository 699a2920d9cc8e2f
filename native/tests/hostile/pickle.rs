//! Pickles of weight files: foreign instructions and objects, the memo, sizes and strides.

use super::torch::{Tensor, file, global, int, long, one, state, text, tuple, valid};
use super::{Row, assert_refused, open_weights};

fn pickle(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    file(bytes.as_ref())
}

fn tensor(change: impl FnOnce(&mut Tensor)) -> Vec<u8> {
    let mut tensor = Tensor::default();
    change(&mut tensor);
    file(&one(&tensor))
}

/// Each tuple holds the one before it twice: 2^n objects, were they copied.
fn doubled(n: u8) -> Vec<u8> {
    let mut code = b"\x80\x02)".to_vec();
    for id in 0..n {
        code.extend([b'q', id, b'h', id, 0x86]);
    }
    code
}

fn machine() -> Vec<Row> {
    vec![
        ("nothing", pickle(b""), "cut short"),
        ("no end", pickle(b"\x80\x02}"), "cut short"),
        (
            "an end without an object",
            pickle(b"\x80\x02."),
            "empty stack",
        ),
        (
            "bytes after the end",
            pickle(b"\x80\x02}.}"),
            "follow the end",
        ),
        ("protocol 4", pickle(b"\x80\x04}."), "protocol 4"),
        ("protocol 255", pickle(b"\x80\xff}."), "protocol 255"),
        (
            "an instruction of no protocol",
            pickle(b"\x80\x02\x00."),
            "instruction 0x00",
        ),
        (
            "a frame of protocol 4",
            pickle([&b"\x80\x02\x95"[..], &[0xff; 8]].concat()),
            "instruction 0x95",
        ),
        (
            "an instance by INST",
            pickle(b"\x80\x02(ios\nsystem\n."),
            "instruction 0x69",
        ),
        (
            "an instance by OBJ",
            pickle(b"\x80\x02(cos\nsystem\no."),
            "os.system",
        ),
        (
            "an extension",
            pickle(b"\x80\x02\x82\x01."),
            "instruction 0x82",
        ),
        (
            "a shell",
            pickle(
                [
                    b"\x80\x02",
                    &global("os", "system")[..],
                    &text("true"),
                    b"\x85R.",
                ]
                .concat(),
            ),
            "it asks for `os.system`",
        ),
        (
            "an evaluation",
            pickle([b"\x80\x02", &global("builtins", "eval")[..], b"."].concat()),
            "it asks for `builtins.eval`",
        ),
        (
            "torch's name as a prefix",
            pickle([b"\x80\x02", &global("torchx", "load")[..], b"."].concat()),
            "it asks for `torchx.load`",
        ),
        (
            "a name without an end",
            pickle(b"\x80\x02ctorch"),
            "cut short",
        ),
        (
            "a name that is not UTF-8",
            pickle(b"\x80\x02c\xff\n\xff\n."),
            "not UTF-8",
        ),
        (
            "a name that clears the screen",
            pickle(b"\x80\x02c\x1b[2J\nx\n."),
            r"\u{1b}[2J.x",
        ),
        (
            "a text longer than the file",
            pickle(b"\x80\x02X\xff\xff\xff\xff."),
            "cut short",
        ),
        (
            "a text that is not UTF-8",
            pickle(b"\x80\x02X\x01\0\0\0\xff."),
            "not UTF-8",
        ),
        (
            "a number of 255 bytes",
            pickle([&b"\x80\x02\x8a\xff"[..], &[1; 255], b"."].concat()),
            "a number of 255 bytes",
        ),
        (
            "a mark that is not there",
            pickle(b"\x80\x02}t."),
            "a mark is missing",
        ),
        (
            "what lies below a mark",
            pickle(b"\x80\x02N(\x85."),
            "empty stack",
        ),
        (
            "an entry for what is no dictionary",
            pickle(b"\x80\x02NNNs."),
            "no dictionary",
        ),
        (
            "an element for what is no list",
            pickle(b"\x80\x02)Na."),
            "no list",
        ),
        (
            "a key without a value",
            pickle(b"\x80\x02}(Nu."),
            "a key without a value",
        ),
        (
            "a call of what is no function",
            pickle(b"\x80\x02N)R."),
            "calls what is no function",
        ),
        (
            "a change of what is no dictionary",
            pickle(b"\x80\x02NNb."),
            "no dictionary",
        ),
        (
            "an object that was never stored",
            pickle(b"\x80\x02h\x07."),
            "object 7 was never stored",
        ),
        (
            "300,000 tuples within each other",
            pickle([&b"\x80\x02}"[..], &[0x85; 300_000], b"."].concat()),
            "no dictionary of tensors",
        ),
        (
            "200,000 marks",
            pickle([&b"\x80\x02"[..], &[b'('; 200_000], b"t."].concat()),
            "no dictionary of tensors",
        ),
        (
            "2^200 tuples by the memo",
            pickle([doubled(200), b".".to_vec()].concat()),
            "no dictionary of tensors",
        ),
        (
            "a dictionary that holds itself",
            pickle(b"\x80\x02}q\0X\x01\0\0\0ah\0s."),
            "tensor `a`: it is no tensor",
        ),
        (
            "five million objects",
            pickle([&b"\x80\x02"[..], &[b'N'; 5_000_000], b"."].concat()),
            "more than 4194304 objects",
        ),
        ("33 MB", pickle(vec![b'N'; 33 << 20]), "has 34603008 bytes"),
    ]
}

fn tensors() -> Vec<Row> {
    let two =
        |a: Tensor, b: Tensor| file(&state(&[("a.weight", a.code()), ("a.weight", b.code())]));
    vec![
        (
            "a list in place of a dictionary",
            pickle(b"\x80\x02]."),
            "no dictionary of tensors",
        ),
        (
            "an empty dictionary",
            pickle(b"\x80\x02}."),
            "holds no tensors",
        ),
        (
            "a key that is a number",
            pickle(b"\x80\x02}(K\x01Nu."),
            "no dictionary of tensors",
        ),
        (
            "a number in place of a tensor",
            file(&state(&[("epoch", int(3))])),
            "tensor `epoch`: it is no tensor",
        ),
        (
            "one name twice",
            two(Tensor::default(), Tensor::default()),
            "tensor `a.weight`: it is there twice",
        ),
        (
            "a function of torch's that makes no tensor",
            tensor(|t| {
                t.module = "torch.hub";
                t.function = "load";
            }),
            "it is made by `torch.hub.load`",
        ),
        (
            "a quantised tensor",
            tensor(|t| t.function = "_rebuild_qtensor"),
            "_rebuild_qtensor",
        ),
        (
            "a tensor without arguments",
            file(&state(&[(
                "a",
                [global("torch._utils", "_rebuild_tensor_v2"), b")R".to_vec()].concat(),
            )])),
            "arguments of its",
        ),
        (
            "a parameter without a tensor",
            file(&state(&[(
                "a",
                [global("torch._utils", "_rebuild_parameter"), b")R".to_vec()].concat(),
            )])),
            "a parameter without its tensor",
        ),
        (
            "parameters within each other",
            file(&state(&[(
                "a",
                [
                    global("torch._utils", "_rebuild_parameter"),
                    global("torch._utils", "_rebuild_parameter"),
                    b")R\x85R".to_vec(),
                ]
                .concat(),
            )])),
            "a parameter without its tensor",
        ),
        (
            "an unknown storage",
            tensor(|t| t.class = "QInt8Storage"),
            "`torch.QInt8Storage` is not supported",
        ),
        (
            "complex numbers",
            tensor(|t| t.class = "ComplexFloatStorage"),
            "ComplexFloatStorage",
        ),
        (
            "a storage that is not in the file",
            tensor(|t| t.key = "1"),
            "no data/1",
        ),
        (
            "a storage outside the folder",
            tensor(|t| t.key = "../version"),
            "no data/../version",
        ),
        (
            "the pickle as a storage",
            tensor(|t| t.key = "../data.pkl"),
            "no data/../data.pkl",
        ),
        (
            "more elements than the storage has",
            tensor(|t| t.elements = int(7)),
            "24 bytes, and the pickle promises 7 elements",
        ),
        (
            "fewer elements than the storage has",
            tensor(|t| {
                t.elements = int(5);
                t.shape = tuple(&[5]);
                t.strides = tuple(&[1]);
            }),
            "24 bytes, and the pickle promises 5 elements",
        ),
        (
            "2^62 elements",
            tensor(|t| t.elements = long(1 << 62)),
            "larger than the file",
        ),
        (
            "2^31 elements",
            tensor(|t| t.elements = int(i32::MAX)),
            "larger than the file",
        ),
        (
            "−1 elements",
            tensor(|t| t.elements = int(-1)),
            "a size or stride of -1",
        ),
        (
            "a negative offset",
            tensor(|t| t.offset = int(-1)),
            "a size or stride of -1",
        ),
        (
            "an offset beyond the storage",
            tensor(|t| t.offset = int(1)),
            "reach beyond its storage of 6",
        ),
        (
            "an offset of 2^63 − 1",
            tensor(|t| t.offset = long(i64::MAX)),
            "reach beyond its storage",
        ),
        (
            "a dimension beyond the storage",
            tensor(|t| t.shape = tuple(&[3, 3])),
            "reach beyond its storage",
        ),
        (
            "a negative dimension",
            tensor(|t| t.shape = tuple(&[-2, 3])),
            "a size or stride of -2",
        ),
        (
            "a number of elements that overflows",
            tensor(|t| {
                t.shape = tuple(&[i32::MAX; 3]);
                t.strides = tuple(&[0; 3]);
            }),
            "number of elements overflows",
        ),
        (
            "a billion elements out of one",
            tensor(|t| {
                t.shape = tuple(&[1 << 30]);
                t.strides = tuple(&[0]);
            }),
            "reach beyond its storage",
        ),
        (
            "a stride beyond the storage",
            tensor(|t| t.strides = tuple(&[4, 1])),
            "reach beyond its storage",
        ),
        (
            "a negative stride",
            tensor(|t| t.strides = tuple(&[3, -1])),
            "a size or stride of -1",
        ),
        (
            "strides that overflow",
            tensor(|t| t.strides = [b"(", &long(i64::MAX)[..], &long(i64::MAX), b"t"].concat()),
            "reach beyond its storage",
        ),
        (
            "fewer strides than dimensions",
            tensor(|t| t.strides = tuple(&[1])),
            "2 dimensions and 1 strides",
        ),
        (
            "a hundred dimensions",
            tensor(|t| {
                t.shape = tuple(&[1; 100]);
                t.strides = tuple(&[1; 100]);
            }),
            "100 dimensions",
        ),
        (
            "a shape of text",
            tensor(|t| t.shape = [b"(", &text("2")[..], b"t"].concat()),
            "a shape or stride that is no number",
        ),
        (
            "a hundred overlapping views",
            overlapping(),
            "more than four times the file",
        ),
    ]
}

/// Views of one storage of a million numbers, each shifted by one.
fn overlapping() -> Vec<u8> {
    const ELEMENTS: i32 = 1 << 20;
    let views: Vec<(String, Vec<u8>)> = (0..100)
        .map(|offset| {
            let tensor = Tensor {
                elements: int(ELEMENTS),
                offset: int(offset),
                shape: tuple(&[ELEMENTS - 100]),
                strides: tuple(&[1]),
                ..Tensor::default()
            };
            (format!("a{offset}"), tensor.code())
        })
        .collect();
    let views: Vec<_> = views
        .iter()
        .map(|(name, code)| (name.as_str(), code.clone()))
        .collect();
    super::torch::archive(&[
        ("archive/data.pkl", &state(&views)),
        ("archive/data/0", &vec![0; 4 << 20]),
    ])
}

#[test]
fn the_file_that_the_others_are_made_from_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flow.pt");
    std::fs::write(&path, valid()).unwrap();
    open_weights(&path).unwrap();
}

#[test]
fn hostile_programs_are_refused() {
    assert_refused("flow.pt", &machine(), open_weights);
}

#[test]
fn hostile_tensors_are_refused() {
    assert_refused("flow.pt", &tensors(), open_weights);
}
