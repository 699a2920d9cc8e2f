use serde::Serialize;

/// The share of comparisons of two right engines that may be called different, over all tests of a
/// comparison together (Holm's correction). `parity/docs/samples.md` has the share that was
/// measured.
pub const ALPHA: f64 = 0.01;

/// The level of each test of equivalence. All have to pass, so that none needs a correction.
pub const EQUIVALENCE_ALPHA: f64 = 0.05;

/// The power for which the smallest visible effect is stated.
pub const POWER: f64 = 0.8;

/// A draw is overlong if it is longer than the median of its text times this.
pub const OVERLONG: f64 = 1.5;

/// How far two engines may be apart and still be called equivalent.
///
/// Right engines fit into each with 200 draws of 12 texts of the model that speaks, and the planted
/// faults that move a quantity visibly move it by more (`parity/docs/samples.md` has the figures).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Margins {
    /// Of the mean of the logarithm of the length: about the same as a relative difference.
    pub log_length: f64,
    /// Of the share of overlong draws.
    pub overlong: f64,
    /// Of the share of draws without a token.
    pub empty: f64,
    /// Of the share of draws that only the longest length ends.
    pub endless: f64,
    /// Of the share of silent tokens.
    pub silence: f64,
    /// Of the share of tokens that repeat one of the ten before.
    pub repeats: f64,
    /// Of the share of tokens that are not among the likeliest 25.
    pub unlikely: f64,
    /// Jensen–Shannon divergence of the first tokens, in nats.
    pub first_token: f64,
}

impl Default for Margins {
    fn default() -> Self {
        Self {
            log_length: 0.02,
            overlong: 0.01,
            empty: 0.01,
            endless: 0.01,
            silence: 0.005,
            repeats: 0.001,
            unlikely: 0.0025,
            first_token: 0.02,
        }
    }
}
