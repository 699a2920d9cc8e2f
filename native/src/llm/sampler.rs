use super::SamplingConfig;
use super::SharedRng;
use super::softmax::{log_softmax, softmax};
use crate::torch_rng::{Multinomial, RaceResult, TorchRng};
use crate::{Error, Result};

/// How a [`Sampler`] chooses among the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The reference's sampling, drawn with torch's generator: the same logits and seed give the
    /// same tokens as in Python.
    Torch {
        /// The seed that the reference is given before a synthesis.
        seed: u64,
        /// Which version of torch's `multinomial`.
        multinomial: Multinomial,
    },
    /// The reference's sampling, drawn with a small generator of our own.
    Seeded {
        /// The same seed gives the same tokens.
        seed: u64,
    },
    /// Always the most probable token. For comparisons: such speech tends to repeat itself.
    Greedy,
}

/// Draws speech tokens: repetition-aware nucleus sampling (VALL-E 2).
///
/// A token is drawn from the nucleus; if it occurs too often among the most recent ones, it is
/// masked and another one is drawn from the whole vocabulary. One sampler serves all segments
/// of a synthesis, because the reference seeds once for all of them. It works on the CPU.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: SamplingConfig,
    generator: Generator,
    last_draw: Option<Draw>,
}

/// How a token was drawn, and how much the logits would have had to change for another token to
/// win. Where two engines draw different tokens, either there is a near-tie here or their logits
/// differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// The token drawn from the nucleus.
    pub from_nucleus: u32,
    /// How many tokens the nucleus had.
    pub nucleus_len: usize,
    /// The lead with which that token won, as a difference of logits ([`RaceResult::lead`]).
    pub nucleus_lead: f32,
    /// Smallest difference of the logits of two neighbours in the nucleus, the first token left
    /// out included: each rank has its own random number, so swapping two tokens changes the draw.
    pub order_gap: f32,
    /// How near the nucleus' probability, with or without its last token, came to `top_p`:
    /// beyond it the nucleus has another size.
    pub size_gap: f32,
    /// Where the token had been repeated, the lead of the one that was then drawn from the whole
    /// vocabulary.
    pub vocabulary_lead: Option<f32>,
}

impl Draw {
    /// The smallest of the gaps and leads. Where two engines' logits differ by less, they draw
    /// the same.
    pub fn margin(&self) -> f32 {
        let vocabulary = self.vocabulary_lead.unwrap_or(f32::INFINITY);
        self.nucleus_lead
            .min(self.order_gap)
            .min(self.size_gap)
            .min(vocabulary)
    }
}

#[derive(Clone, Debug)]
enum Generator {
    Torch(Box<TorchRng>),
    Shared(SharedRng),
    Plain(SplitMix64),
    Greedy,
}

impl Sampler {
    /// A sampler for a new synthesis.
    pub fn new(strategy: Strategy, config: SamplingConfig) -> Self {
        let generator = match strategy {
            Strategy::Torch { seed, multinomial } => {
                Generator::Torch(Box::new(TorchRng::new(seed, multinomial)))
            }
            Strategy::Seeded { seed } => Generator::Plain(SplitMix64(seed)),
            Strategy::Greedy => Generator::Greedy,
        };
        Self::with_generator(generator, config)
    }

    /// A sampler that draws from a generator which others go on with: torch's strategy, from
    /// wherever that generator is.
    pub fn drawing_from(rng: &SharedRng, config: SamplingConfig) -> Self {
        Self::with_generator(Generator::Shared(rng.clone()), config)
    }

    fn with_generator(generator: Generator, config: SamplingConfig) -> Self {
        Self {
            config,
            generator,
            last_draw: None,
        }
    }

    /// How the last token was drawn; nothing for a strategy other than torch's.
    pub fn last_draw(&self) -> Option<&Draw> {
        self.last_draw.as_ref()
    }

    /// Draws one token from `logits`, given the tokens sampled so far in this segment. `masked`
    /// cannot be drawn.
    ///
    /// # Errors
    /// If a logit is not a number, which damaged weights or an overflow cause.
    pub fn sample(&mut self, logits: &[f32], history: &[u32], masked: Option<u32>) -> Result<u32> {
        check(logits)?;
        let mut log_probs = logits.to_vec();
        log_softmax(&mut log_probs);
        if let Some(masked) = masked.and_then(|id| log_probs.get_mut(id as usize)) {
            *masked = f32::NEG_INFINITY;
        }
        if matches!(self.generator, Generator::Greedy) {
            return Ok(argmax(&log_probs));
        }
        let all = softmax(&log_probs);
        let nucleus = Nucleus::of(&all, &self.config);
        let first = self.draw(&nucleus.probs)?;
        let picked = nucleus.ids[first.winner];
        let torch = matches!(self.generator, Generator::Torch(_) | Generator::Shared(_));
        self.last_draw = torch.then(|| nucleus.draw(picked, first.lead, &log_probs, &self.config));
        if !self.config.is_repeated(picked, history) {
            return Ok(picked);
        }
        log_probs[picked as usize] = f32::NEG_INFINITY;
        let second = self.draw(&softmax(&log_probs))?;
        if let Some(draw) = &mut self.last_draw {
            draw.vocabulary_lead = Some(second.lead);
        }
        Ok(second.winner as u32)
    }

    fn draw(&mut self, weights: &[f32]) -> Result<RaceResult> {
        let certain = |winner| RaceResult {
            winner,
            lead: f32::INFINITY,
        };
        match &mut self.generator {
            Generator::Torch(rng) => rng.race(weights),
            Generator::Shared(rng) => rng.lock().race(weights),
            Generator::Plain(rng) => rng.categorical(weights).map(certain),
            Generator::Greedy => Some(certain(argmax(weights) as usize)),
        }
        .ok_or_else(|| {
            Error::input("no token can be drawn: top_p and top_k leave none, or all are masked")
        })
    }
}

/// The most probable tokens, up to and including the one with which the sum of their
/// probabilities reaches `top_p`, but at most `top_k`.
struct Nucleus {
    ids: Vec<u32>,
    probs: Vec<f32>,
    /// The most probable token left out.
    next: Option<u32>,
}

impl Nucleus {
    fn of(probs: &[f32], config: &SamplingConfig) -> Self {
        let mut order: Vec<u32> = (0..probs.len() as u32).collect();
        let descending = |a: &u32, b: &u32| {
            probs[*b as usize]
                .total_cmp(&probs[*a as usize])
                .then(a.cmp(b))
        };
        // One more than can be kept, for how close it was.
        let candidates = config.top_k.saturating_add(1);
        if candidates < order.len() {
            order.select_nth_unstable_by(candidates, descending);
            order.truncate(candidates);
        }
        order.sort_unstable_by(descending);
        // torch compares a float32 sum with the limit in float32.
        let limit = config.top_p as f32;
        let mut sum = 0.0f32;
        let mut kept = Vec::with_capacity(order.len());
        for &id in order.iter().take(config.top_k) {
            if sum >= limit {
                break;
            }
            sum += probs[id as usize];
            kept.push(probs[id as usize]);
        }
        let next = order.get(kept.len()).copied();
        order.truncate(kept.len());
        Self {
            ids: order,
            probs: kept,
            next,
        }
    }

    /// What is known once `picked` has won with that lead.
    fn draw(&self, picked: u32, lead: f32, log_probs: &[f32], config: &SamplingConfig) -> Draw {
        let logit = |id: u32| log_probs[id as usize];
        let with_next = self.ids.iter().copied().chain(self.next);
        let order_gap = self
            .ids
            .iter()
            .zip(with_next.skip(1))
            .map(|(&a, b)| logit(a) - logit(b))
            .fold(f32::INFINITY, f32::min);
        let whole: f32 = self.probs.iter().sum();
        let before = whole - self.probs.last().copied().unwrap_or_default();
        let limit = config.top_p as f32;
        Draw {
            from_nucleus: picked,
            nucleus_len: self.ids.len(),
            nucleus_lead: lead,
            order_gap,
            size_gap: (limit - before).abs().min((limit - whole).abs()),
            vocabulary_lead: None,
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::{Strategy, *};

    fn torch(seed: u64) -> Sampler {
        let multinomial = Multinomial::MklStream;
        Sampler::new(
            Strategy::Torch { seed, multinomial },
            SamplingConfig::default(),
        )
    }

    /// Twelve draws from logits by a formula, with a history in which the likeliest token is
    /// planted, so that repetitions happen; end of speech is masked at every other draw.
    fn draws(row: usize) -> Vec<u32> {
        let hash = |i: usize| (i * 7919 + row * 104_729) % 2003;
        let scale = [128.0, 256.0, 64.0, 512.0][row];
        let logits: Vec<f32> = (0..6761).map(|i| hash(i) as f32 / scale).collect();
        let likeliest = argmax(&logits);
        let mut sampler = torch(100 + row as u64);
        let (mut history, mut drawn) = (Vec::new(), Vec::new());
        for j in 0..12 {
            let masked = (j % 2 == 1).then_some(6561);
            let token = sampler.sample(&logits, &history, masked).unwrap();
            drawn.push(token);
            history.push(token);
            if j % 3 == 0 {
                history.push(likeliest);
            }
        }
        drawn
    }

    #[test]
    fn the_same_seed_draws_the_references_tokens() {
        // Printed by `ras_sampling` of CosyVoice ace7c47 on torch 2.3.1.
        let reference: [[u32; 12]; 4] = [
            [
                3123, 237, 2843, 4286, 3683, 1812, 6569, 5406, 6289, 2563, 2843, 5686,
            ],
            [
                5046, 760, 1600, 5606, 2440, 1320, 3883, 3603, 3043, 6146, 1040, 2763,
            ],
            [
                6086, 2963, 961, 2360, 4363, 77, 2683, 5246, 6086, 3243, 4966, 5894,
            ],
            [
                3443, 4886, 557, 6006, 5166, 5726, 3163, 1720, 4177, 2840, 3317, 5446,
            ],
        ];
        for (row, tokens) in reference.iter().enumerate() {
            assert_eq!(draws(row), tokens, "row {row}");
        }
    }

    #[test]
    fn samplers_that_share_a_generator_continue_each_other() {
        let logits: Vec<f32> = (0..200).map(|i| (i * 37 % 101) as f32 / 40.0).collect();
        let mut alone = torch(9);
        let rng = SharedRng::new(TorchRng::new(9, Multinomial::MklStream));
        for _ in 0..5 {
            let mut sampler = Sampler::drawing_from(&rng, SamplingConfig::default());
            for _ in 0..4 {
                let expected = alone.sample(&logits, &[], None).unwrap();
                assert_eq!(sampler.sample(&logits, &[], None).unwrap(), expected);
                assert_eq!(sampler.last_draw(), alone.last_draw());
            }
        }
    }

    #[test]
    fn a_repeated_token_is_forbidden_for_one_draw() {
        // One token has all the probability, so a second one can only come from its being
        // forbidden.
        let mut logits = vec![0.0; 50];
        logits[7] = 60.0;
        let mut sampler = torch(1);
        assert_eq!(sampler.sample(&logits, &[], None).unwrap(), 7);
        assert_eq!(sampler.sample(&logits, &[7; 0], None).unwrap(), 7);
        for _ in 0..20 {
            assert_ne!(sampler.sample(&logits, &[3, 7, 4], None).unwrap(), 7);
        }
    }

    #[test]
    fn a_token_eleven_ago_is_forgotten() {
        let mut logits = vec![0.0; 50];
        logits[7] = 60.0;
        let mut history = vec![7];
        history.extend(20..30);
        assert_eq!(torch(1).sample(&logits, &history, None).unwrap(), 7);
        assert_ne!(torch(1).sample(&logits, &history[..10], None).unwrap(), 7);
    }

    #[test]
    fn greedy_takes_the_lowest_of_the_likeliest() {
        let mut sampler = Sampler::new(Strategy::Greedy, SamplingConfig::default());
        let logits = [0.5, 2.0, 2.0, 1.0];
        assert_eq!(sampler.sample(&logits, &[1, 1], None).unwrap(), 1);
        assert_eq!(sampler.sample(&logits, &[], Some(1)).unwrap(), 2);
    }

    #[test]
    fn a_plain_seed_draws_in_proportion() {
        let config = SamplingConfig {
            top_p: 1.0,
            win_size: 1,
            tau_r: 2.0,
            ..SamplingConfig::default()
        };
        let mut sampler = Sampler::new(Strategy::Seeded { seed: 5 }, config);
        let logits = [1f32, 2.0, 5.0].map(f32::ln);
        let mut counts = [0f64; 3];
        for _ in 0..8000 {
            counts[sampler.sample(&logits, &[], None).unwrap() as usize] += 1.0;
        }
        // Five standard deviations of the largest count are 217.
        for (count, wanted) in counts.iter().zip([1000.0, 2000.0, 5000.0]) {
            assert!((count - wanted).abs() < 220.0, "{counts:?}");
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY] {
            let error = torch(0).sample(&[0.0, bad, 1.0], &[], None).unwrap_err();
            assert!(error.to_string().contains("not numbers"), "{error}");
        }
        assert!(torch(0).sample(&[f32::NEG_INFINITY; 3], &[], None).is_err());
        assert!(torch(0).sample(&[], &[], None).is_err());
    }

    #[test]
    fn nothing_left_to_draw_is_an_error() {
        let config = SamplingConfig {
            top_k: 0,
            ..SamplingConfig::default()
        };
        let mut sampler = Sampler::new(Strategy::Seeded { seed: 0 }, config);
        assert!(sampler.sample(&[1.0, 2.0], &[], None).is_err());
        assert!(torch(0).sample(&[1.0], &[0], None).is_err());
    }

    proptest! {
        #[test]
        fn the_nucleus_keeps_the_token_that_crosses_and_no_further_one(
            logits in proptest::collection::vec(-8.0f32..8.0, 1..200),
            top_p in 0.05f64..1.0,
            top_k in 1usize..40,
        ) {
            let probs = softmax(&logits);
            let config = SamplingConfig { top_p, top_k, ..SamplingConfig::default() };
            let Nucleus { ids, probs: kept, next } = Nucleus::of(&probs, &config);
            let before: f32 = kept[..kept.len() - 1].iter().sum();
            prop_assert!(kept.len() <= top_k);
            prop_assert!(before < top_p as f32, "the last one was needed");
            let sum = before + kept[kept.len() - 1];
            prop_assert!(
                sum >= top_p as f32 || kept.len() == top_k.min(probs.len()),
                "only top_k ends the nucleus early"
            );
            let least = kept[kept.len() - 1];
            prop_assert!(next.is_none_or(|id| !ids.contains(&id) && probs[id as usize] <= least));
            for (id, &p) in probs.iter().enumerate() {
                prop_assert!(p <= least || ids.contains(&(id as u32)), "{id} is likelier");
            }
        }

        #[test]
        fn a_masked_token_is_never_drawn(
            logits in proptest::collection::vec(-8.0f32..8.0, 2..60),
            history in proptest::collection::vec(0u32..60, 0..15),
            masked in 0u32..60,
            seed: u64,
        ) {
            let masked = masked % logits.len() as u32;
            for strategy in [
                Strategy::Torch { seed, multinomial: Multinomial::MklStream },
                Strategy::Torch { seed, multinomial: Multinomial::TwoDraws },
                Strategy::Seeded { seed },
                Strategy::Greedy,
            ] {
                let mut sampler = Sampler::new(strategy, SamplingConfig::default());
                if let Ok(token) = sampler.sample(&logits, &history, Some(masked)) {
                    prop_assert!(token != masked && (token as usize) < logits.len());
                }
            }
        }
    }
}
