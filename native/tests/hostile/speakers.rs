//! `spk2info.pt`: the file of saved speakers.

use native::model_dir::SavedSpeakers;

use super::torch::{Tensor, file, int, state, text, tuple};
use super::{Row, assert_refused};

fn speaker(tensor: &Tensor) -> Vec<u8> {
    let record = [b"}", &text("flow_embedding")[..], &tensor.code(), b"s"].concat();
    file(&state(&[("anna", record)]))
}

fn rows() -> Vec<Row> {
    // One record of a thousand entries, which a thousand speakers share by the memo.
    let entry = |i: i32| [text(&i.to_string()), b"N".to_vec()].concat();
    let record: Vec<u8> = (0..1000).flat_map(entry).collect();
    let same = |i: i32| [text(&i.to_string()), b"h\0".to_vec()].concat();
    let names: Vec<u8> = (0..1000).flat_map(same).collect();
    let shared = [
        b"\x80\x02}(",
        &text("first")[..],
        b"}(",
        &record,
        b"uq\0",
        &names,
        b"u.",
    ]
    .concat();
    vec![
        (
            "a list",
            file(b"\x80\x02]."),
            "not a dictionary of dictionaries",
        ),
        (
            "a list of speakers",
            file(&state(&[("anna", b"]".to_vec())])),
            "not a dictionary of dictionaries",
        ),
        (
            "a speaker whose name is a number",
            file(b"\x80\x02}(K\x01}u."),
            "not a dictionary of dictionaries",
        ),
        (
            "one name twice",
            file(&state(&[("anna", b"}".to_vec()), ("anna", b"}".to_vec())])),
            "two speakers `anna`",
        ),
        (
            "300,000 tuples within each other",
            file(&[&b"\x80\x02}"[..], &[0x85; 300_000], b"."].concat()),
            "not a dictionary of dictionaries",
        ),
        (
            "200,000 marks",
            file(&[&b"\x80\x02"[..], &[b'('; 200_000], b"t."].concat()),
            "not a dictionary of dictionaries",
        ),
        (
            "a thousand speakers of a thousand shared entries",
            file(&shared),
            "share their entries",
        ),
        (
            "a tensor beyond its storage",
            speaker(&Tensor {
                shape: tuple(&[1, 192]),
                strides: tuple(&[192, 1]),
                ..Tensor::default()
            }),
            "`flow_embedding` of `anna`",
        ),
        (
            "a storage that is not there",
            speaker(&Tensor {
                key: "9",
                ..Tensor::default()
            }),
            "no data/9",
        ),
        (
            "a storage larger than the file",
            speaker(&Tensor {
                elements: int(i32::MAX),
                ..Tensor::default()
            }),
            "larger than the file",
        ),
    ]
}

#[test]
fn hostile_speaker_files_are_refused() {
    assert_refused("spk2info.pt", &rows(), |path| {
        SavedSpeakers::open(path)
            .map(|_| ())
            .map_err(|error| error.to_string())
    });
}
