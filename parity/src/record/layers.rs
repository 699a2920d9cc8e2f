//! The tensors inside a network, while it works on the golden's inputs.

use std::collections::BTreeMap;

use candle_core::Tensor;
use native::engine::Engine;

use super::inputs::text_mode;
use super::isolated::Run;
use super::values::Collector;
use crate::array::Array;
use crate::layers::Network;
use crate::recording::CaseRecord;
use crate::stage::{FLOW_STEPS, Key, Stage};

/// What a network handed out.
pub struct LayerTensors {
    /// The points at which it was tapped, in the order of computation.
    pub order: Vec<Key>,
    /// Their values.
    pub tensors: BTreeMap<Key, Array>,
}

/// Runs one network on every segment of a golden.
pub(super) fn record(
    engine: &Engine,
    part: Network,
    golden: &CaseRecord,
) -> native::Result<LayerTensors> {
    let mut run = Run {
        engine,
        golden,
        voice: None,
        out: Collector::deep(),
    };
    for segment in 0..golden.segments() {
        native::tap::Tap::segment(&mut run.out, segment);
        match part {
            Network::Llm => run.inside_language_model(segment)?,
            Network::Flow => run.inside_flow(segment)?,
            Network::Vocoder => run.inside_vocoder(segment)?,
        }
    }
    Ok(LayerTensors {
        order: run.out.order,
        tensors: run.out.tensors,
    })
}

impl Run<'_> {
    fn inside_language_model(&mut self, segment: usize) -> native::Result<()> {
        let key = |stage| Key::segment(stage, segment);
        let script = self.golden_script()?;
        let voice = needed(self.golden_voice()?, "the prompt")?.aligned()?;
        // How the mode was asked for decides how the prompt is put together.
        let mode = text_mode(&self.golden.case.case)?.ok_or_else(|| {
            native::Error::input("a voice conversion has no language model to look into")
        })?;
        let prompt = self
            .engine
            .lm_prompt(&mode, &script, &script.segments[segment], &voice);
        let sampled = needed(self.tokens(key(Stage::LlmTokens))?, "llm.tokens")?;
        let logits =
            self.engine
                .llm
                .teacher_forced_logits_tapped(&prompt, &sampled, &mut self.out)?;
        let rows = self.golden.tensors.get(&key(Stage::LlmLogitRows));
        let rows = needed(rows.and_then(Array::as_i64), "llm.logit_rows")?;
        let kept = logits.index_select(&Tensor::new(rows, logits.device())?, 0)?;
        // It says which rows the logits are of, and is no point of its own.
        let rows = Array::ids(rows.to_vec());
        self.out.tensors.insert(key(Stage::LlmLogitRows), rows);
        self.keep(key(Stage::LlmLogits), Some(kept))
    }

    fn inside_flow(&mut self, segment: usize) -> native::Result<()> {
        let flow = &self.engine.flow;
        let key = |stage| Key::segment(stage, segment);
        let device = self.engine.device.clone();
        let voice = needed(self.golden_voice()?, "the prompt")?.aligned()?;
        let speech = needed(self.tokens(key(Stage::LlmTokensKept))?, "llm.tokens_kept")?;
        let all = [voice.speech_tokens.clone(), speech].concat();
        self.keep(key(Stage::FlowMu), Some(flow.mu(&all, true)?))?;
        let speaker = flow.speaker(&voice.speaker_embedding)?;
        let name = key(Stage::FlowMu).tap("speaker");
        self.keep(name, Some(speaker.clone()))?;

        let mu = needed(self.read_key(&key(Stage::FlowMu), &device)?, "flow.mu")?;
        let conditioning = flow.condition(&mu, &speaker, &voice.mel, false)?;
        for step in 1..=FLOW_STEPS {
            let before = match step {
                1 => flow.noise(conditioning.frames())?,
                _ => {
                    let before = key(Stage::FlowStep(step - 1));
                    needed(self.read_key(&before, &device)?, "a step of the flow")?
                }
            };
            // The golden has the inside of a few steps only: the others go without.
            let inside = |k: &Key| k.stage == Stage::FlowStep(step) && k.tap.is_some();
            self.out.deep = self.golden.tensors.keys().any(inside);
            let index = usize::from(step);
            let after = flow.tapped_step(index, &before, &conditioning, &mut self.out)?;
            self.keep(key(Stage::FlowStep(step)), Some(after))?;
        }
        self.out.deep = true;
        Ok(())
    }

    fn inside_vocoder(&mut self, segment: usize) -> native::Result<()> {
        let vocoder = &self.engine.vocoder;
        let key = |stage| Key::segment(stage, segment);
        let device = self.engine.device.clone();
        let mel = needed(self.read_key(&key(Stage::FlowMel), &device)?, "flow.mel")?;
        let mel = native::vocoder::interpolate_mel(&mel, self.golden.case.case.speed)?;
        let f0 = vocoder.tapped_f0(&mel, true, &mut self.out)?;
        self.keep(key(Stage::VocoderF0), Some(f0))?;
        let f0 = needed(
            self.read_key(&key(Stage::VocoderF0), &device)?,
            "vocoder.f0",
        )?;
        self.keep(key(Stage::VocoderSource), Some(vocoder.source(&f0)?))?;
        let source = self.read_key(&key(Stage::VocoderSource), &device)?;
        let source = needed(source, "vocoder.source")?;
        let wav = vocoder.tapped_decode(&mel, &source, true, &mut self.out)?;
        self.keep(key(Stage::VocoderWav), Some(wav))
    }
}

fn needed<T>(value: Option<T>, what: &str) -> native::Result<T> {
    value.ok_or_else(|| {
        native::Error::input(format!(
            "the golden lacks {what}, which the network is fed with; record it again"
        ))
    })
}
