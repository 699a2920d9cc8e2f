//! Between the engine's values and a recording's.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use native::engine::{Script, SegmentInfo};
use native::llm::{LmPrompt, Stop};
use native::stage::Stage;
use native::tap::Tap;

use crate::array::{Array, Data};
use crate::recording::{SegmentText, TextRecord};
use crate::stage::Key;

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
        .map(|&id| {
            u32::try_from(id).map_err(|_| {
                native::Error::input(format!(
                    "the recording contains the impossible token id {id}"
                ))
            })
        })
        .collect()
}

/// Fewest and most speech tokens that the language model samples for a segment of `text_ids` ids.
pub(crate) fn token_bounds(text_ids: usize) -> (usize, usize) {
    let prompt = LmPrompt {
        text_ids: vec![0; text_ids],
        ..LmPrompt::default()
    };
    (prompt.min_len(), prompt.max_len())
}

/// `llm.stop` as a recording keeps it.
pub(super) fn stop_mark(stop: Stop) -> Vec<i64> {
    vec![stop.mark().map_or(-1, i64::from)]
}

/// A script as a recording keeps it.
pub(super) fn text_record(script: &Script) -> TextRecord {
    let segments = script.segments.iter().map(|segment| SegmentText {
        text: segment.text.clone(),
        ids: ids(&segment.ids),
    });
    TextRecord {
        prompt_text: (!script.prompt_text.is_empty()).then(|| script.prompt_text.clone()),
        prompt_ids: ids(&script.prompt_ids),
        segments: segments.collect(),
        warnings: script.warnings.clone(),
    }
}

/// Collects what an engine hands out, under a recording's keys.
#[derive(Default)]
pub(super) struct Collector {
    segment: usize,
    /// The stages whose layers are wanted.
    layers_of: Vec<Stage>,
    /// The keys in the order in which they were handed out.
    pub(super) order: Vec<Key>,
    pub(super) tensors: BTreeMap<Key, Array>,
}

impl Collector {
    /// A collector that wants the layers of these stages.
    pub(super) fn with_layers_of(layers_of: Vec<Stage>) -> Self {
        Self {
            layers_of,
            ..Self::default()
        }
    }

    /// The key of `stage` in the current segment.
    fn key(&self, stage: Stage) -> Key {
        match stage.per_segment() {
            true => Key::segment(stage, self.segment),
            false => Key::whole(stage),
        }
    }

    pub(super) fn insert(&mut self, key: Key, array: Array) {
        self.order.push(key.clone());
        self.tensors.insert(key, array);
    }

    pub(super) fn insert_tensor(&mut self, key: Key, value: &Tensor) -> native::Result<()> {
        self.insert(key, array(value)?);
        Ok(())
    }

    pub(super) fn insert_tokens(&mut self, key: Key, tokens: &[u32]) {
        self.insert(key, Array::ids(ids(tokens)));
    }

    /// What a segment was sampled to, or the tokens of the recording that was converted.
    pub(super) fn insert_segment(&mut self, segment: usize, info: &SegmentInfo) {
        let Some(stop) = info.stop else {
            return self.insert_tokens(Key::whole(Stage::SourceSpeechTokens), &info.tokens);
        };
        self.insert_tokens(Key::segment(Stage::LlmTokens, segment), &info.tokens);
        let stop = Array::ids(stop_mark(stop));
        self.insert(Key::segment(Stage::LlmStop, segment), stop);
        self.insert_tokens(Key::segment(Stage::LlmTokensKept, segment), &info.kept);
    }
}

impl Tap for Collector {
    fn segment(&mut self, index: usize) {
        self.segment = index;
    }

    fn stage(&mut self, stage: Stage, value: &Tensor) -> native::Result<()> {
        self.insert_tensor(self.key(stage), value)
    }

    fn wants_layers(&self, stage: Stage) -> bool {
        self.layers_of.contains(&stage)
    }

    fn layer(&mut self, stage: Stage, name: &str, value: &Tensor) -> native::Result<()> {
        self.insert_tensor(self.key(stage).tap(name), value)
    }
}
