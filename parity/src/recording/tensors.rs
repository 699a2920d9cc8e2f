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
            let key: Key = name.parse().map_err(|e| damaged(format!("{e}")))?;
            let shape = view.shape().to_vec();
            let array = match view.dtype() {
                Dtype::F32 => Array::f32(shape, words(view.data(), f32::from_le_bytes)),
                Dtype::I64 => Array::i64(shape, words(view.data(), i64::from_le_bytes)),
                other => return Err(damaged(format!("{name} is {other:?}, not F32 or I64"))),
            };
            Ok((key, array.map_err(|e| damaged(format!("{name}: {e}")))?))
        })
        .collect()
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|word| read(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

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
