use std::time::Instant;

use native::llm::{LmPrompt, Sampler, SpeechLm, Strategy};
use native::torch_rng::Multinomial;
use rayon::prelude::*;

use super::manifest::SamplesManifest;
use super::{Draw, Planted, Samples, TextDraws};
use crate::case::CaseFile;
use crate::record::{Error, NativeRecorder};
use crate::stage::Feed;

/// Ranks from here on are one class.
const LARGEST_RANK: u8 = u8::MAX;

/// What the native engine draws.
#[derive(Clone, Debug)]
pub struct Drawing<'a> {
    /// The texts.
    pub cases: &'a CaseFile,
    /// The seeds of each.
    pub seeds: &'a [u64],
    /// A mistake to plant in the sampler.
    pub planted: Option<Planted>,
}

/// Lets the native engine's language model say every text with every seed. Flow and vocoder do not
/// run.
///
/// `progress` is told of each case before it is drawn.
///
/// # Errors
/// If a text has several segments, or the engine fails.
pub fn draw(
    recorder: &mut NativeRecorder,
    drawing: &Drawing<'_>,
    mut progress: impl FnMut(&str),
) -> Result<Samples, Error> {
    let began = Instant::now();
    let recorded = recorder.manifest(Feed::Cascaded);
    let mut manifest = SamplesManifest::new(recorded.engine, recorded.model);
    manifest.device = recorded.device;
    manifest.precision = recorded.precision;
    manifest.lm_weights = recorded.lm_weights;
    manifest.planted = drawing.planted.map(Planted::name);
    manifest.seeds = drawing.seeds.to_vec();
    let multinomial = recorder.multinomial();
    let mut texts = Vec::with_capacity(drawing.cases.cases.len());
    for case in &drawing.cases.cases {
        progress(&case.name);
        let (engine, recorded, prompt) = recorder.lm_prompt(case, drawing.cases)?;
        let one = |&seed: &u64| one(engine.llm(), &prompt, drawing.planted, seed, multinomial);
        let draws = drawing.seeds.par_iter().map(one);
        texts.push(TextDraws {
            bounds: [prompt.min_len(), prompt.max_len()]
                .map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            draws: draws.collect::<native::Result<_>>()?,
        });
        manifest.cases.push(recorded);
    }
    manifest.seconds = Some(began.elapsed().as_secs_f64());
    Ok(Samples { manifest, texts })
}

/// Samples one text with one seed.
fn one(
    lm: &SpeechLm,
    prompt: &LmPrompt,
    planted: Option<Planted>,
    seed: u64,
    multinomial: Multinomial,
) -> native::Result<Draw> {
    let config = lm.config();
    let sampling = planted.map_or(config.sampling, |p| p.sampling(config.sampling));
    let temperature = planted.map_or(1.0, Planted::temperature);
    let mut sampler = Sampler::new(Strategy::Torch { seed, multinomial }, sampling);
    let mut steps = lm.steps(prompt)?;
    let mut history: Vec<u32> = Vec::new();
    let mut draw = Draw::default();
    while history.len() < prompt.max_len() {
        let mut logits = steps.logits()?;
        if temperature != 1.0 {
            logits.iter_mut().for_each(|logit| *logit /= temperature);
        }
        let early = history.len() < prompt.min_len() && planted != Some(Planted::Unmasked);
        let masked = early.then(|| config.start_of_sequence());
        let token = sampler.sample(&logits, &history, masked)?;
        let narrow = u16::try_from(token).unwrap_or(u16::MAX);
        if token as usize >= config.speech_token_size {
            draw.stop = Some(narrow);
            break;
        }
        draw.tokens.push(narrow);
        draw.ranks.push(rank(&logits, token, masked));
        history.push(token);
        steps.push(token);
    }
    Ok(draw)
}

/// How many tokens were likelier. Among equals the lower id comes first.
fn rank(logits: &[f32], token: u32, masked: Option<u32>) -> u8 {
    let at = token as usize;
    let Some(&own) = logits.get(at) else {
        return LARGEST_RANK;
    };
    let masked = masked.map(|id| id as usize);
    let ids = logits.iter().copied().enumerate();
    let before = ids.filter(|&(id, logit)| logit > own || (logit == own && id < at));
    let likelier = before.filter(|&(id, _)| Some(id) != masked).count();
    u8::try_from(likelier).unwrap_or(LARGEST_RANK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_counts_likelier_tokens_and_lower_ids_among_equals() {
        let logits = [1.0, 3.0, 2.0, 2.0, 5.0];
        let ranks = |masked| [0, 1, 2, 3, 4].map(|token| rank(&logits, token, masked));
        assert_eq!(ranks(None), [4, 1, 2, 3, 0]);
        assert_eq!(ranks(Some(4)), [3, 0, 1, 2, 0]);
        let many: Vec<f32> = (0..400u16).map(f32::from).collect();
        assert_eq!(rank(&many, 0, None), LARGEST_RANK);
    }
}
