//! The layers of a network while it works on the golden's inputs.

use std::collections::BTreeMap;

use candle_core::Tensor;
use native::Portion;
use native::engine::Engine;

use super::golden_inputs::GoldenInputs;
use super::inputs::mode;
use super::values::Collector;
use crate::array::Array;
use crate::layers::Network;
use crate::recording::CaseRecord;
use crate::stage::{FLOW_STEPS, Key, Stage};

/// What a network handed out.
pub struct LayerTensors {
    /// The layers and stages in the order of computation.
    pub order: Vec<Key>,
    /// Their values.
    pub tensors: BTreeMap<Key, Array>,
}

/// Runs one network on every segment of a golden.
pub(super) fn record(
    engine: &Engine,
    network: Network,
    golden: &CaseRecord,
) -> native::Result<LayerTensors> {
    // A golden may have the layers of a few steps of the flow only; the others go without.
    let with_layers = golden.tensors.keys().filter(|key| key.tap.is_some());
    let mut run = LayerRun {
        engine,
        inputs: GoldenInputs {
            golden,
            own_voice: None,
            device: engine.device().clone(),
        },
        out: Collector::with_layers_of(with_layers.map(|key| key.stage).collect()),
    };
    for segment in 0..golden.segments() {
        native::tap::Tap::segment(&mut run.out, segment);
        match network {
            Network::Llm => run.language_model(segment)?,
            Network::Flow => run.flow(segment)?,
            Network::Vocoder => run.vocoder(segment)?,
        }
    }
    Ok(LayerTensors {
        order: run.out.order,
        tensors: run.out.tensors,
    })
}

struct LayerRun<'a> {
    engine: &'a Engine,
    inputs: GoldenInputs<'a>,
    out: Collector,
}

impl LayerRun<'_> {
    fn language_model(&mut self, segment: usize) -> native::Result<()> {
        let key = |stage| Key::segment(stage, segment);
        let script = self.inputs.script()?;
        let voice = needed(self.inputs.voice()?, "the prompt")?.aligned()?;
        // The mode decides how the prompt is put together.
        let mode = mode(&self.inputs.golden.case.case, |_| {
            Err(native::Error::input(
                "voice conversion has no language model whose layers could be compared",
            ))
        })?;
        let text = &script.segments[segment];
        let prompt = self.engine.lm_prompt(&mode, &script, text, &voice);
        let sampled = needed(self.inputs.tokens(&key(Stage::LlmTokens))?, "llm.tokens")?;
        let llm = self.engine.llm();
        let logits = llm.teacher_forced_logits(&prompt, &sampled, &mut self.out)?;
        let rows = self.inputs.integers(&key(Stage::LlmLogitRows));
        let rows = needed(rows, "llm.logit_rows")?;
        let kept = logits.index_select(&Tensor::new(rows, logits.device())?, 0)?;
        // It says which rows the logits have, and is not a layer of its own.
        let rows = Array::ids(rows.to_vec());
        self.out.tensors.insert(key(Stage::LlmLogitRows), rows);
        self.out.insert_tensor(key(Stage::LlmLogits), &kept)
    }

    fn flow(&mut self, segment: usize) -> native::Result<()> {
        let flow = self.engine.flow();
        let key = |stage| Key::segment(stage, segment);
        let voice = needed(self.inputs.voice()?, "the prompt")?.aligned()?;
        let speech = self.inputs.tokens(&key(Stage::LlmTokensKept))?;
        let speech = needed(speech, "llm.tokens_kept")?;
        let all = [voice.speech_tokens.as_slice(), &speech].concat();
        let mu = flow.mu(&all, Portion::Final)?;
        self.out.insert_tensor(key(Stage::FlowMu), &mu)?;
        let speaker = flow.speaker(&voice.speaker_embedding)?;
        self.out
            .insert_tensor(key(Stage::FlowMu).tap("speaker"), &speaker)?;

        let mu = needed(self.inputs.tensor(&key(Stage::FlowMu))?, "flow.mu")?;
        let conditioning = flow.condition(&mu, &speaker, &voice.mel, Portion::Final)?;
        for step in FLOW_STEPS {
            let before = match step {
                1 => flow.noise(conditioning.frames())?,
                _ => {
                    let before = self.inputs.tensor(&key(Stage::FlowStep(step - 1)))?;
                    needed(before, "a step of the flow")?
                }
            };
            let after = flow.step(step, &before, &conditioning, &mut self.out)?;
            self.out.insert_tensor(key(Stage::FlowStep(step)), &after)?;
        }
        Ok(())
    }

    fn vocoder(&mut self, segment: usize) -> native::Result<()> {
        let vocoder = self.engine.vocoder();
        let key = |stage| Key::segment(stage, segment);
        let mel = needed(self.inputs.tensor(&key(Stage::FlowMel))?, "flow.mel")?;
        let speed = self.inputs.golden.case.case.speed;
        let mel = native::vocoder::interpolate_mel(&mel, speed)?;
        let f0 = vocoder.f0(&mel, Portion::Final, &mut self.out)?;
        self.out.insert_tensor(key(Stage::VocoderF0), &f0)?;
        let f0 = needed(self.inputs.tensor(&key(Stage::VocoderF0))?, "vocoder.f0")?;
        let source = vocoder.source(&f0)?;
        self.out.insert_tensor(key(Stage::VocoderSource), &source)?;
        let source = self.inputs.tensor(&key(Stage::VocoderSource))?;
        let source = needed(source, "vocoder.source")?;
        let wav = vocoder.decode(&mel, &source, Portion::Final, &mut self.out)?;
        self.out.insert_tensor(key(Stage::VocoderWav), &wav)
    }
}

fn needed<T>(value: Option<T>, what: &str) -> native::Result<T> {
    value.ok_or_else(|| {
        native::Error::input(format!(
            "the golden lacks {what}, which the network is fed with: record it again"
        ))
    })
}
