use super::SamplingConfig;
use super::softmax::{log_softmax, softmax};
use crate::torch_rng::{Multinomial, TorchRng};
use crate::{Error, Result};

/// How a [`Sampler`] chooses among the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The reference's sampling, drawn with torch's generator: the same logits and seed give the
    /// same tokens as in Python.
    Torch {
        /// What the reference is seeded with before a synthesis.
        seed: u64,
        /// Whose `multinomial`.
        multinomial: Multinomial,
    },
    /// The reference's sampling, drawn with a small generator of our own.
    Seeded {
        /// The same seed gives the same tokens.
        seed: u64,
    },
    /// Always the most probable token. It repeats itself, and is meant for comparisons.
    Greedy,
}

/// Draws speech tokens: repetition-aware nucleus sampling (VALL-E 2).
///
/// A token is drawn from the nucleus; if it is found too often among the last ones, it is
/// forbidden and another one is drawn from the whole vocabulary. One sampler serves all segments
/// of a synthesis, because the reference seeds once for all of them. It works on the CPU.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: SamplingConfig,
    draw: Draw,
}

#[derive(Clone, Debug)]
enum Draw {
    Torch(Box<TorchRng>),
    Plain(SplitMix64),
    Greedy,
}

impl Sampler {
    /// A sampler at the beginning of a synthesis.
    pub fn new(strategy: Strategy, config: SamplingConfig) -> Self {
        let draw = match strategy {
            Strategy::Torch { seed, multinomial } => {
                Draw::Torch(Box::new(TorchRng::new(seed, multinomial)))
            }
            Strategy::Seeded { seed } => Draw::Plain(SplitMix64(seed)),
            Strategy::Greedy => Draw::Greedy,
        };
        Self { config, draw }
    }

    /// Draws one token from `logits`, given the tokens sampled so far in this segment. `masked`
    /// cannot be drawn.
    ///
    /// Fails where the logits are no numbers, which damaged weights or an overflow cause.
    pub fn sample(&mut self, logits: &[f32], history: &[u32], masked: Option<u32>) -> Result<u32> {
        check(logits)?;
        let mut log_probs = logits.to_vec();
        log_softmax(&mut log_probs);
        if let Some(masked) = masked.and_then(|id| log_probs.get_mut(id as usize)) {
            *masked = f32::NEG_INFINITY;
        }
        if matches!(self.draw, Draw::Greedy) {
            return Ok(argmax(&log_probs));
        }
        let (ids, probs) = nucleus(&softmax(&log_probs), &self.config);
        let picked = ids[self.draw(&probs)?];
        if !self.is_repeated(picked, history) {
            return Ok(picked);
        }
        log_probs[picked as usize] = f32::NEG_INFINITY;
        let drawn = self.draw(&softmax(&log_probs))?;
        Ok(drawn as u32)
    }

    fn is_repeated(&self, token: u32, history: &[u32]) -> bool {
        // A window of 0 is the whole history in the reference (a Python slice from -0).
        let window = match self.config.win_size {
            0 => history,
            n => &history[history.len().saturating_sub(n)..],
        };
        let count = window.iter().filter(|&&t| t == token).count();
        count as f64 >= self.config.win_size as f64 * self.config.tau_r
    }

    fn draw(&mut self, weights: &[f32]) -> Result<usize> {
        match &mut self.draw {
            Draw::Torch(rng) => rng.multinomial(weights),
            Draw::Plain(rng) => rng.categorical(weights),
            Draw::Greedy => Some(argmax(weights) as usize),
        }
        .ok_or_else(|| {
            Error::input("no token can be drawn: top_p and top_k leave none, or all are masked")
        })
    }
}

/// The ids and probabilities of the most probable tokens, up to and including the one with which
/// their sum reaches `top_p`, but at most `top_k`.
fn nucleus(probs: &[f32], config: &SamplingConfig) -> (Vec<u32>, Vec<f32>) {
    let mut order: Vec<u32> = (0..probs.len() as u32).collect();
    let descending = |a: &u32, b: &u32| {
        probs[*b as usize]
            .total_cmp(&probs[*a as usize])
            .then(a.cmp(b))
    };
    if config.top_k < order.len() {
        order.select_nth_unstable_by(config.top_k, descending);
        order.truncate(config.top_k);
    }
    order.sort_unstable_by(descending);
    // torch compares a float32 sum with the limit in float32.
    let limit = config.top_p as f32;
    let mut sum = 0.0f32;
    let mut kept = Vec::with_capacity(order.len());
    order.retain(|&id| {
        let keep = sum < limit;
        if keep {
            sum += probs[id as usize];
            kept.push(probs[id as usize]);
        }
        keep
    });
    (order, kept)
}

fn check(logits: &[f32]) -> Result<()> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if logits.iter().any(|x| x.is_nan()) || !largest.is_finite() {
        return Err(candle_core::Error::Msg(
            "the language model's logits are not numbers (NaN or infinite): its weights are \
             damaged, or the precision is too low for them"
                .to_owned(),
        )
        .into());
    }
    Ok(())
}

/// The lowest index of the largest value.
fn argmax(values: &[f32]) -> u32 {
    let mut best = 0;
    for (i, &x) in values.iter().enumerate() {
        if x > values[best] {
            best = i;
        }
    }
    best as u32
}

/// Sebastiano Vigna's SplitMix64.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    fn categorical(&mut self, weights: &[f32]) -> Option<usize> {
        let total: f64 = weights.iter().copied().map(f64::from).sum();
        let mut left = self.uniform() * total;
        let mut last = None;
        for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            last = Some(i);
            left -= f64::from(w);
            if left < 0.0 {
                break;
            }
        }
        last
    }
}
