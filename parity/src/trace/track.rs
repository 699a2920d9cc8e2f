use native::llm::SamplingConfig;
use native::torch_rng::TorchRng;

use super::errors::{LogitErrors, Possible};
use super::place::{Drawn, Likeliest, Place, Redrawn, Tempered};

/// How probable a token is at least, in multiples of its probability where no random number is known:
/// what nothing explains is not impossible.
const UNEXPLAINED: f64 = 1e-3;
/// Positions of the generator that are followed at once.
const POSITIONS: usize = 8;
/// Those that are less probable than this share of the likeliest one are given up.
const HARDLY: f64 = 1e-6;

/// An engine of which it is assumed how it samples, followed along tokens that were drawn.
///
/// The tokens do not tell where its generator is: where a token was nearly repeated, or where the
/// nucleus nearly had another size, it may have used more numbers or fewer. So several positions are
/// followed, with how probable each is.
#[derive(Clone, Debug)]
pub(super) struct Track {
    positions: Vec<(TorchRng, f64)>,
    sampling: SamplingConfig,
    /// Whether this is the reference's own sampler.
    exact: bool,
}

/// The likeliest tokens of a place, for each error that its logits may have.
pub(super) struct Perturbed<'a> {
    tempered: Tempered,
    possible: Vec<(Possible<'a>, Likeliest)>,
}

impl<'a> Perturbed<'a> {
    /// The logits divided by `temperature`, and wrong by `times` the measured `errors`.
    pub(super) fn new(
        place: &Place<'_>,
        number: u64,
        errors: &'a LogitErrors,
        (temperature, times): (f32, f32),
    ) -> Self {
        let tempered = place.tempered(temperature);
        let possible = errors.possible(number, times).into_iter();
        Self {
            tempered,
            possible: possible
                .map(|p| (p, place.likeliest(p.error, tempered)))
                .collect(),
        }
    }
}

impl Perturbed<'_> {
    /// Those of the exact logits, if they were divided by 1.
    pub(super) fn exact(&self) -> Option<(&Likeliest, Tempered)> {
        let (_, likeliest) = self.possible.first()?;
        Some((likeliest, self.tempered))
    }
}

/// How a token followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Followed {
    /// How probable it was.
    pub(super) probability: f64,
    /// Whether an error explains it.
    pub(super) explained: bool,
    /// Whether it is what exact logits give, from the likeliest position of the generator.
    pub(super) exact: bool,
}

impl Track {
    /// An engine that is about to draw the first token of a text.
    pub(super) fn new(rng: TorchRng, sampling: SamplingConfig, exact: bool) -> Self {
        Self {
            positions: vec![(rng, 1.0)],
            sampling,
            exact,
        }
    }

    /// Goes on by a token, whose probability is `marginal` where no random number is known.
    ///
    /// # Errors
    /// If nothing can be drawn at this place.
    pub(super) fn follow(
        &mut self,
        place: &Place<'_>,
        perturbed: &Perturbed<'_>,
        token: u32,
        marginal: f64,
    ) -> native::Result<Followed> {
        let mut drawn: Vec<(TorchRng, f64, Drawn)> = Vec::new();
        let mut exact = None;
        let mut redrawn = Redrawn::new();
        for (position, weight) in &self.positions {
            for (possible, likeliest) in &perturbed.possible {
                let mut rng = position.clone();
                let outcome = if self.exact && possible.error.is_none() {
                    Some(place.draw_exactly(self.sampling, &mut rng)?)
                } else {
                    place.draw(
                        likeliest,
                        possible.error,
                        perturbed.tempered,
                        &self.sampling,
                        (&mut rng, &mut redrawn),
                    )
                };
                if let Some(outcome) = outcome {
                    // The likeliest position comes first, and the error that is none.
                    exact.get_or_insert(outcome.token == token);
                    drawn.push((rng, weight * possible.weight, outcome));
                }
            }
        }
        let agreeing = |outcome: &Drawn| outcome.token == token;
        let matched: f64 = drawn
            .iter()
            .filter(|(.., outcome)| agreeing(outcome))
            .map(|(_, weight, _)| weight)
            .sum();
        let explained = matched > 0.0;
        let next = drawn
            .into_iter()
            .filter(|(.., outcome)| !explained || agreeing(outcome));
        self.go_on(next.map(|(rng, weight, _)| (rng, weight)));
        Ok(Followed {
            probability: (1.0 - UNEXPLAINED) * matched + UNEXPLAINED * marginal,
            explained,
            exact: exact.unwrap_or(false),
        })
    }

    /// Puts equal positions together, the likeliest first.
    fn go_on(&mut self, next: impl Iterator<Item = (TorchRng, f64)>) {
        let mut positions: Vec<(TorchRng, f64)> = Vec::new();
        for (rng, weight) in next {
            match positions.iter_mut().find(|(known, _)| *known == rng) {
                Some((_, sum)) => *sum += weight,
                None => positions.push((rng, weight)),
            }
        }
        positions.sort_by(|a, b| b.1.total_cmp(&a.1));
        positions.truncate(POSITIONS);
        let largest = positions.first().map_or(0.0, |(_, weight)| *weight);
        positions.retain(|(_, weight)| *weight > HARDLY * largest);
        let sum: f64 = positions.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut positions {
            *weight /= sum;
        }
        if !positions.is_empty() {
            self.positions = positions;
        }
    }
}
