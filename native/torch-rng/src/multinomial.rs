//! Draws from a categorical distribution.

use crate::TorchRng;

/// How a build of PyTorch draws from a categorical distribution.
///
/// `torch.multinomial(weights, 1)` is a race: each entry finishes after an exponentially
/// distributed time divided by its weight, and the first to finish is drawn. Builds differ in
/// where the exponential times come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Multinomial {
    /// torch 2.3 wheels for x86-64: one 32-bit draw seeds an MKL MCG31m1 stream for all entries.
    #[default]
    MklStream,
    /// Newer wheels, and builds without MKL: two 32-bit draws per entry, combined in float64.
    TwoDraws,
}

impl TorchRng {
    /// `torch.multinomial(weights, 1)`: an index drawn in proportion to `weights`, which need not
    /// sum to one. The lowest index wins a tie. `None` if no entry can win: `weights` is empty,
    /// all zero, or contains NaN.
    pub fn multinomial(&mut self, weights: &[f32]) -> Option<usize> {
        self.race(weights).map(|race| race.winner)
    }

    /// Like [`TorchRng::multinomial`], and also returns how close the race was.
    pub fn race(&mut self, weights: &[f32]) -> Option<RaceResult> {
        let mut race = Race::new(self);
        let (mut best, mut second) = ((0.0f32, None), 0.0f32);
        for (i, &p) in weights.iter().enumerate() {
            let arrival = p / race.next_time();
            if arrival.is_nan() {
                return None;
            }
            if arrival > best.0 {
                second = best.0;
                best = (arrival, Some(i));
            } else {
                second = second.max(arrival);
            }
        }
        best.1.map(|winner| RaceResult {
            winner,
            lead: (best.0 / second).ln(),
        })
    }
}

/// Outcome of [`TorchRng::race`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RaceResult {
    /// The index drawn.
    pub winner: usize,
    /// How much the logarithm of the runner-up's weight would have to grow for it to win
    /// instead; infinite if no other entry could be drawn.
    pub lead: f32,
}

/// Source of the exponential times of one `multinomial` call.
enum Race<'a> {
    Mkl(u64),
    TwoDraws(&'a mut TorchRng),
}

const MCG31_MODULUS: u64 = 0x7fff_ffff;
const MCG31_MULTIPLIER: u64 = 1_132_489_760;

impl<'a> Race<'a> {
    fn new(rng: &'a mut TorchRng) -> Self {
        match rng.multinomial {
            Multinomial::MklStream => Self::Mkl((u64::from(rng.next_u32()) % MCG31_MODULUS).max(1)),
            Multinomial::TwoDraws => Self::TwoDraws(rng),
        }
    }

    fn next_time(&mut self) -> f32 {
        match self {
            // The stream's first number is its seed. About once in 3.4e7 numbers `u` rounds
            // to 1, and only the added FLT_MIN keeps the time above zero.
            Self::Mkl(x) => {
                let u = (*x as f64 / MCG31_MODULUS as f64) as f32;
                *x = *x * MCG31_MULTIPLIER % MCG31_MODULUS;
                -(f64::from(u).ln() as f32) + f32::MIN_POSITIVE
            }
            Self::TwoDraws(rng) => -(-rng.uniform_f64()).ln_1p() as f32,
        }
    }
}
