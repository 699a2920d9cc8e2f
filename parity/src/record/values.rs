//! Between the engine's tensors and a recording's arrays.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use native::tap::Tap;

use crate::array::{Array, Data};
use crate::stage::{Key, Stage};

/// An engine's tensor as a recording keeps it.
pub(super) fn array(tensor: &Tensor) -> native::Result<Array> {
    let shape = tensor.dims().to_vec();
    let values = tensor
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    Array::f32(shape, values).map_err(native::Error::input)
}

/// A recorded array as a tensor on `device`.
pub(super) fn tensor(array: &Array, device: &Device) -> native::Result<Tensor> {
    Ok(match array.data() {
        Data::F32(v) => Tensor::from_slice(v, array.shape(), device)?,
        Data::I64(v) => Tensor::from_slice(v, array.shape(), device)?,
    })
}

/// Token ids as a recording keeps them.
pub(super) fn ids(tokens: &[u32]) -> Vec<i64> {
    tokens.iter().map(|&t| i64::from(t)).collect()
}

/// Recorded ids as the engine takes them.
pub(super) fn tokens(ids: &[i64]) -> native::Result<Vec<u32>> {
    ids.iter()
        .map(|&id| u32::try_from(id))
        .collect::<Result<_, _>>()
        .map_err(|_| native::Error::input("the recording has a token id that is no token id"))
}

/// Collects what an engine hands out, under a recording's keys.
#[derive(Default)]
pub(super) struct Collector {
    segment: usize,
    pub(super) deep: bool,
    /// The keys in the order in which they were handed out.
    pub(super) order: Vec<Key>,
    pub(super) tensors: BTreeMap<Key, Array>,
}

impl Collector {
    /// One that wants the tensors inside the stages too.
    pub(super) fn deep() -> Self {
        Self {
            deep: true,
            ..Self::default()
        }
    }

    /// The key of `stage` in the segment at hand.
    fn key(&self, name: &str) -> Option<Key> {
        let (stage, tap) = match name.split_once('/') {
            Some((stage, tap)) => (stage, Some(tap)),
            None => (name, None),
        };
        let stage: Stage = stage.parse().ok()?;
        let key = if stage.per_segment() {
            Key::segment(stage, self.segment)
        } else {
            Key::whole(stage)
        };
        Some(match tap {
            Some(tap) => key.tap(tap),
            None => key,
        })
    }

    pub(super) fn insert(&mut self, key: Key, array: Array) {
        self.order.push(key.clone());
        self.tensors.insert(key, array);
    }
}

impl Tap for Collector {
    fn segment(&mut self, index: usize) {
        self.segment = index;
    }

    fn tensor(&mut self, stage: &str, value: &Tensor) -> native::Result<()> {
        let key = self.key(stage).ok_or_else(|| {
            native::Error::input(format!(
                "the engine handed out `{stage}`, which names no stage"
            ))
        })?;
        self.insert(key, array(value)?);
        Ok(())
    }

    fn deep(&self) -> bool {
        self.deep
    }
}
