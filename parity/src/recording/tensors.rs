//! Tensors in the safetensors format.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Error;
use crate::array::{Array, Data};
use crate::stage::Key;

pub(super) fn encode(tensors: &BTreeMap<Key, Array>) -> Result<Vec<u8>, String> {
    let bytes: Vec<(String, &Array, Vec<u8>)> = tensors
        .iter()
        .map(|(key, array)| {
            let bytes = match array.data() {
                Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
                Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            };
            (key.to_string(), array, bytes)
        })
        .collect();
    let views = bytes.iter().map(|(key, array, bytes)| {
        let dtype = match array.data() {
            Data::F32(_) => Dtype::F32,
            Data::I64(_) => Dtype::I64,
        };
        TensorView::new(dtype, array.shape().to_vec(), bytes).map(|view| (key, view))
    });
    let views = views
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<BTreeMap<Key, Array>, Error> {
    let damaged = |reason: String| Error::damaged(path, reason);
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    file.iter()
        .map(|(name, view)| {
            let key: Key = name
                .parse()
                .map_err(|e| damaged(format!("{e}{}", hint(name))))?;
            let shape = view.shape().to_vec();
            let data = view.data();
            // Other programs count in 32 bits and fewer; no id is lost in 64.
            let array = match view.dtype() {
                Dtype::F32 => Array::f32(shape, words(data, f32::from_le_bytes)),
                Dtype::I64 => Array::i64(shape, words(data, i64::from_le_bytes)),
                Dtype::I32 => Array::i64(shape, ids(data, i32::from_le_bytes)),
                Dtype::U32 => Array::i64(shape, ids(data, u32::from_le_bytes)),
                Dtype::I16 => Array::i64(shape, ids(data, i16::from_le_bytes)),
                Dtype::U16 => Array::i64(shape, ids(data, u16::from_le_bytes)),
                other => {
                    return Err(damaged(format!(
                        "{name} is {other:?}, not F32 or I64 (or integers of 32 or 16 bits)"
                    )));
                }
            };
            Ok((key, array.map_err(|e| damaged(format!("{name}: {e}")))?))
        })
        .collect()
}

/// What a name should have been, if it is one but for its segment.
fn hint(name: &str) -> String {
    let whole = name.split('[').next().unwrap_or(name);
    let first = format!("{whole}[0]");
    if first != name && first.parse::<Key>().is_ok() {
        format!("; every segment has its own: write `{first}` for the first one")
    } else if whole != name && whole.parse::<Key>().is_ok() {
        format!("; the whole case has one: write `{whole}`")
    } else {
        String::new()
    }
}

/// Integers of another width.
fn ids<const N: usize, T: Into<i64>>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<i64> {
    words(bytes, read).into_iter().map(Into::into).collect()
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|word| read(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    #[test]
    fn narrower_integers_are_ids_too() {
        let file = |dtype, bytes: &[u8]| {
            let shape = vec![2];
            let view = TensorView::new(dtype, shape, bytes).unwrap();
            let bytes = safetensors::serialize([("llm.tokens[0]", view)], None).unwrap();
            decode(Path::new("x"), &bytes).unwrap()[&Key::segment(Stage::LlmTokens, 0)].clone()
        };
        let expected = Array::ids(vec![6561, 7]);
        let i32s: Vec<u8> = [6561i32, 7].iter().flat_map(|x| x.to_le_bytes()).collect();
        let u16s: Vec<u8> = [6561u16, 7].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(file(Dtype::I32, &i32s), expected);
        assert_eq!(file(Dtype::U32, &i32s), expected);
        assert_eq!(file(Dtype::U16, &u16s), expected);
    }

    #[test]
    fn a_name_that_lacks_its_segment_is_told_how_it_is_written() {
        assert!(hint("flow.mel").contains("`flow.mel[0]`"));
        assert!(hint("prompt.mel[0]").contains("`prompt.mel`"));
        assert_eq!(hint("mel"), "");
    }

    #[test]
    fn tensors_survive_the_file_with_their_bits() {
        let values = vec![0.0, -0.0, f32::NAN, f32::INFINITY, 1.0e-40, 3.5];
        let tensors = BTreeMap::from([
            (
                Key::whole(Stage::PromptMel),
                Array::f32([2, 3], values.clone()).unwrap(),
            ),
            (
                Key::segment(Stage::LlmTokens, 1),
                Array::ids(vec![6561, -1]),
            ),
            (Key::segment(Stage::LlmTokens, 0), Array::ids(vec![])),
        ]);
        let read = decode(Path::new("x"), &encode(&tensors).unwrap()).unwrap();
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let mel = &read[&Key::whole(Stage::PromptMel)];
        assert_eq!(mel.shape(), [2, 3]);
        assert_eq!(bits(mel.as_f32().unwrap()), bits(&values));
        assert_eq!(
            read[&Key::segment(Stage::LlmTokens, 1)],
            Array::ids(vec![6561, -1])
        );
        assert!(read[&Key::segment(Stage::LlmTokens, 0)].is_empty());
    }
}
