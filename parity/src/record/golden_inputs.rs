//! What the stages were fed in the reference, out of a golden.

use candle_core::{Device, IndexOp, Tensor};
use native::engine::{Script, TextSegment};
use native::voice::VoicePrompt;

use super::values::{tensor, tokens};
use crate::array::Array;
use crate::recording::CaseRecord;
use crate::stage::{Key, Stage};

/// A golden to feed stages from.
pub(super) struct GoldenInputs<'a> {
    /// The golden.
    pub(super) golden: &'a CaseRecord,
    /// The voice as the native engine has it, for a golden that keeps only tokens.
    pub(super) own_voice: Option<VoicePrompt>,
    /// Where tensors go.
    pub(super) device: Device,
}

impl GoldenInputs<'_> {
    /// The text stage as the golden has it.
    pub(super) fn script(&self) -> native::Result<Script> {
        let text = &self.golden.text;
        let segments = text.segments.iter().map(|segment| {
            Ok(TextSegment {
                text: segment.text.clone(),
                ids: tokens(&segment.ids)?,
            })
        });
        Ok(Script {
            prompt_text: text.prompt_text.clone().unwrap_or_default(),
            prompt_ids: tokens(&text.prompt_ids)?,
            segments: segments.collect::<native::Result<_>>()?,
            in_pieces: self.golden.case.case.in_pieces(),
            warnings: Vec::new(),
        })
    }

    /// The voice as the golden has it, untrimmed. If the golden keeps only tokens, mel and embedding
    /// are the native engine's own, and serve only to trim the tokens.
    pub(super) fn voice(&self) -> native::Result<Option<VoicePrompt>> {
        let Some(speech_tokens) = self.tokens(&Key::whole(Stage::PromptSpeechTokens))? else {
            return Ok(None);
        };
        if let Some(voice) = &self.own_voice {
            return Ok(Some(VoicePrompt {
                speech_tokens,
                ..voice.clone()
            }));
        }
        let mel = self.on_cpu(Stage::PromptMel)?;
        let embedding = self.on_cpu(Stage::PromptSpeakerEmbedding)?;
        Ok(match (mel, embedding) {
            (Some(mel), Some(speaker_embedding)) => Some(VoicePrompt {
                speech_tokens,
                mel,
                speaker_embedding: speaker_embedding.i(..)?,
            }),
            _ => None,
        })
    }

    /// A stage of the request, for the prompt's networks, which run on the CPU.
    pub(super) fn on_cpu(&self, stage: Stage) -> native::Result<Option<Tensor>> {
        let array = self.golden.tensors.get(&Key::whole(stage));
        array.map(|array| tensor(array, &Device::Cpu)).transpose()
    }

    /// A value as a tensor on the engine's device.
    pub(super) fn tensor(&self, key: &Key) -> native::Result<Option<Tensor>> {
        let array = self.golden.tensors.get(key);
        array.map(|array| tensor(array, &self.device)).transpose()
    }

    /// A list of integers.
    pub(super) fn integers(&self, key: &Key) -> Option<&[i64]> {
        self.golden.tensors.get(key).and_then(Array::as_i64)
    }

    /// A list of tokens.
    pub(super) fn tokens(&self, key: &Key) -> native::Result<Option<Vec<u32>>> {
        self.integers(key).map(tokens).transpose()
    }
}
