use native::llm::{Sampler, SamplingConfig, SharedRng};
use native::torch_rng::{RaceResult, TorchRng};

/// How many of the likeliest tokens are looked at one by one: far more than the reference's nucleus
/// can have, so that an error of the logits cannot bring another one into it.
const NEAR: usize = 64;

/// An error that the logits of a place may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogitError<'a> {
    /// What is added to each logit, before it is scaled.
    pub(super) vector: &'a [f32],
    /// The largest of these, without its sign.
    pub(super) largest: f32,
    pub(super) scale: f32,
}

impl LogitError<'_> {
    fn at(&self, id: u32) -> f32 {
        self.vector.get(id as usize).copied().unwrap_or(0.0) * self.scale
    }
}

/// A place where a token is drawn: the exact logits, and what else the draw depends on.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) logits: &'a [f32],
    pub(super) history: &'a [u32],
    pub(super) masked: Option<u32>,
    /// The likeliest tokens, the likeliest first.
    near: Vec<u32>,
    /// The largest logit.
    largest: f32,
    /// All others.
    others: Vec<u32>,
}

/// Draws from all tokens but one with exact logits, as they are made at a place: the generator and the
/// token that is left out, the generator after it, and who won by how much.
pub(super) type Redrawn = Vec<(TorchRng, u32, TorchRng, RaceResult)>;

/// Logits that are divided by a temperature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempered {
    temperature: f32,
    /// Sum of the exponentials of the tokens that are not among the likeliest.
    rest: f64,
}

/// What is drawn at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) token: u32,
    /// How many tokens the nucleus had.
    pub(super) nucleus: usize,
    /// Whether the token of the nucleus was repeated, so that another one was drawn from all.
    pub(super) again: bool,
}

impl<'a> Place<'a> {
    /// `None` if no token can be drawn.
    pub(super) fn new(logits: &'a [f32], history: &'a [u32], masked: Option<u32>) -> Option<Self> {
        let may_be_drawn = |id: &u32| Some(*id) != masked;
        let mut order: Vec<u32> = (0..u32::try_from(logits.len()).ok()?)
            .filter(may_be_drawn)
            .collect();
        let logit = |id: u32| {
            logits
                .get(id as usize)
                .copied()
                .unwrap_or(f32::NEG_INFINITY)
        };
        let likelier = |a: &u32, b: &u32| logit(*b).total_cmp(&logit(*a)).then(a.cmp(b));
        if order.len() > NEAR {
            order.select_nth_unstable_by(NEAR, likelier);
        }
        let others = order.split_off(order.len().min(NEAR));
        order.sort_unstable_by(likelier);
        Some(Self {
            logits,
            history,
            masked,
            largest: logit(*order.first()?),
            near: order,
            others,
        })
    }

    /// The logits divided by `temperature`.
    pub(super) fn tempered(&self, temperature: f32) -> Tempered {
        let logits = self
            .others
            .iter()
            .filter_map(|&id| self.logits.get(id as usize));
        let rest = logits
            .map(|logit| f64::from((logit - self.largest) / temperature).exp())
            .sum();
        Tempered { temperature, rest }
    }

    /// The likeliest tokens with their probabilities, by logits that are wrong by `error`.
    pub(super) fn likeliest(&self, error: Option<LogitError<'_>>, tempered: Tempered) -> Likeliest {
        let value = |&id: &u32| {
            let logit = self.logits.get(id as usize).copied().unwrap_or(0.0);
            (id, logit - self.largest + error.map_or(0.0, |e| e.at(id)))
        };
        let mut values: Vec<(u32, f32)> = self.near.iter().map(value).collect();
        if error.is_some() {
            values.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        let weights = values
            .iter()
            .map(|(_, v)| f64::from(v / tempered.temperature).exp());
        let weights: Vec<f64> = weights.collect();
        let sum = weights.iter().sum::<f64>() + tempered.rest;
        Likeliest {
            ids: values.into_iter().map(|(id, _)| id).collect(),
            probs: weights.into_iter().map(|w| (w / sum) as f32).collect(),
        }
    }

    /// What is drawn from the `likeliest` with the generator `rng`, which goes on; the logits of all
    /// tokens, wrong by `error`, are for a repeated one. `None` if nothing can be drawn.
    pub(super) fn draw(
        &self,
        likeliest: &Likeliest,
        error: Option<LogitError<'_>>,
        tempered: Tempered,
        sampling: &SamplingConfig,
        (rng, redrawn): (&mut TorchRng, &mut Redrawn),
    ) -> Option<Drawn> {
        let nucleus = likeliest.nucleus(sampling);
        let winner = rng.race(likeliest.probs.get(..nucleus)?)?.winner;
        let token = *likeliest.ids.get(winner)?;
        if !sampling.is_repeated(token, self.history) {
            return Some(Drawn {
                token,
                nucleus,
                again: false,
            });
        }
        let winner = self.redraw(token, error, tempered, (rng, redrawn))?;
        Some(Drawn {
            token: u32::try_from(winner).ok()?,
            nucleus,
            again: true,
        })
    }

    /// What is drawn from all tokens but `left_out`. An error of the logits changes it only if it is
    /// larger than the lead of what exact ones give.
    fn redraw(
        &self,
        left_out: u32,
        error: Option<LogitError<'_>>,
        tempered: Tempered,
        (rng, redrawn): (&mut TorchRng, &mut Redrawn),
    ) -> Option<usize> {
        let temperature = tempered.temperature;
        let known = redrawn
            .iter()
            .position(|(before, token, ..)| *token == left_out && before == rng);
        let at = match known {
            Some(at) => at,
            None => {
                let before = rng.clone();
                let mut after = rng.clone();
                let race = after.race(&self.all_but(left_out, None, temperature))?;
                redrawn.push((before, left_out, after, race));
                redrawn.len() - 1
            }
        };
        let (.., after, race) = redrawn.get(at)?;
        // Of two tokens one may gain as much as the other loses.
        let turned =
            |e: &LogitError<'_>| 2.0 * (e.largest * e.scale / temperature).abs() >= race.lead;
        match error.filter(turned) {
            None => {
                *rng = after.clone();
                Some(race.winner)
            }
            error => {
                let race = rng.race(&self.all_but(left_out, error, temperature))?;
                Some(race.winner)
            }
        }
    }

    /// What the reference draws with the generator `rng`, which goes on: every bit of its probabilities
    /// is torch's.
    ///
    /// # Errors
    /// If nothing can be drawn.
    pub(super) fn draw_exactly(
        &self,
        sampling: SamplingConfig,
        rng: &mut TorchRng,
    ) -> native::Result<Drawn> {
        let shared = SharedRng::new(rng.clone());
        let mut sampler = Sampler::drawing_from(&shared, sampling);
        let token = sampler.sample(self.logits, self.history, self.masked)?;
        *rng = shared.rng();
        let draw = sampler.last_draw();
        Ok(Drawn {
            token,
            nucleus: draw.map_or(0, |d| d.nucleus_len),
            again: draw.is_some_and(|d| d.vocabulary_lead.is_some()),
        })
    }

    /// Weights of all tokens but one.
    fn all_but(&self, left_out: u32, error: Option<LogitError<'_>>, temperature: f32) -> Vec<f32> {
        let ids = self.logits.iter().zip(0u32..);
        ids.map(|(logit, id)| {
            if id == left_out || Some(id) == self.masked {
                0.0
            } else {
                let wrong = error.map_or(0.0, |e| e.at(id));
                ((logit - self.largest + wrong) / temperature).exp()
            }
        })
        .collect()
    }

    /// How probable `token` is where the random numbers are not known, which sums to at most one over
    /// all tokens.
    /// `likeliest` and `tempered` are those of the exact logits.
    pub(super) fn marginal(
        &self,
        token: u32,
        sampling: &SamplingConfig,
        (likeliest, tempered): (&Likeliest, Tempered),
    ) -> f64 {
        let nucleus = likeliest.nucleus(sampling);
        let within = likeliest.ids.iter().zip(&likeliest.probs).take(nucleus);
        let (mut sum, mut own, mut barred) = (0.0, 0.0, 0.0);
        for (&id, &p) in within {
            let p = f64::from(p);
            sum += p;
            if sampling.is_repeated(id, self.history) {
                barred += p;
            } else if id == token {
                own = p;
            }
        }
        let exponential = |&id: &u32| {
            let logit = self
                .logits
                .get(id as usize)
                .copied()
                .unwrap_or(f32::NEG_INFINITY);
            f64::from(logit - self.largest).exp()
        };
        let all = self.near.iter().map(exponential).sum::<f64>() + tempered.rest;
        let whole = match self.masked {
            Some(masked) if masked == token => 0.0,
            _ => exponential(&token) / all,
        };
        let even = 1.0 / self.logits.len().max(1) as f64;
        0.98 * (own + barred * whole) / sum.max(f64::MIN_POSITIVE) + 0.01 * (whole + even)
    }
}

/// The likeliest tokens of a place.
#[derive(Clone, Debug)]
pub(super) struct Likeliest {
    ids: Vec<u32>,
    probs: Vec<f32>,
}

impl Likeliest {
    /// How many of them are the nucleus.
    fn nucleus(&self, sampling: &SamplingConfig) -> usize {
        let limit = sampling.top_p as f32;
        let mut sum = 0.0f32;
        let within = self.probs.iter().take(sampling.top_k).take_while(|&&p| {
            let inside = sum < limit;
            sum += p;
            inside
        });
        within.count()
    }
}
