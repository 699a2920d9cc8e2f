use native::llm::{LmPrompt, SpeechLm};
use native::torch_rng::{Multinomial, TorchRng};

use super::errors::LogitErrors;
use super::place::Place;
use super::suspect::Suspect;
use super::track::{Perturbed, Track};
use crate::samples::Draw;

/// One seed's tokens of a text, as they are followed.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// The exact engine's language model, which stands for the reference's.
    pub lm: &'a SpeechLm,
    /// What it is given.
    pub prompt: &'a LmPrompt,
    /// The candidate's tokens.
    pub draw: &'a Draw,
    /// Their seed.
    pub seed: u64,
    /// How torch draws.
    pub multinomial: Multinomial,
}

/// How the tokens of a text followed from the reference's random numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followed {
    /// Of each token, and of the mark that ended them: how much more probable each suspect makes it
    /// than a right engine, as a logarithm, in the order of [`Suspect::ALL`].
    pub ratios: Vec<Vec<f32>>,
    /// The positions at which exact logits give another token.
    pub parted: Vec<usize>,
    /// Those of them that no error of the logits explains.
    pub unexplained: Vec<usize>,
}

/// Follows the tokens of a text.
///
/// # Errors
/// If the model cannot be given them, as tokens that it does not have.
pub fn follow(text: &Text<'_>, errors: &LogitErrors) -> native::Result<Followed> {
    let config = text.lm.config();
    let right = config.sampling;
    let rng = || TorchRng::new(text.seed, text.multinomial);
    let mut reference = Track::new(rng(), right, true);
    let track = |suspect: &Suspect| {
        let sampling = suspect.planted().map_or(right, |p| p.sampling(right));
        Track::new(rng(), sampling, false)
    };
    let mut suspects: Vec<_> = Suspect::ALL.iter().map(|s| (*s, track(s))).collect();
    let mut steps = text.lm.steps(text.prompt)?;
    let mut history: Vec<u32> = Vec::new();
    let mut found = Followed::default();
    for (at, token) in drawn(text.draw).enumerate() {
        let logits = steps.logits()?;
        if token as usize >= logits.len() {
            return Err(native::Error::input(format!(
                "token {at} is {token}, and the model has {} of them: were the tokens drawn with other \
                 weights?",
                logits.len()
            )));
        }
        let early = history.len() < text.prompt.min_len();
        let masked = early.then(|| config.start_of_sequence());
        let nothing = || native::Error::input("no token can be drawn: all are masked");
        let place = Place::new(&logits, &history, masked).ok_or_else(nothing)?;
        // Which errors are tried at a place follows from the seed and the position.
        let number = text.seed.rotate_left(24) ^ at as u64;
        let perturbed = |by| Perturbed::new(&place, number, errors, by);
        let usual = perturbed((1.0, 1.0));
        let exact = usual.exact().ok_or_else(nothing)?;
        let marginal = place.marginal(token, &right, exact);
        let is = reference.follow(&place, &usual, token, marginal)?;
        let ratio = |probability: f64| (probability / is.probability).ln() as f32;
        let mut ratios = Vec::with_capacity(suspects.len());
        for (suspect, track) in &mut suspects {
            let planted = suspect.planted();
            let by = (planted.map_or(1.0, |p| p.temperature()), suspect.error());
            let probability = if *suspect == Suspect::OtherNumbers {
                marginal
            } else if planted == Some(crate::samples::Planted::Unmasked) && early {
                let place = Place::new(&logits, &history, None).ok_or_else(nothing)?;
                let usual = Perturbed::new(&place, number, errors, by);
                track.follow(&place, &usual, token, marginal)?.probability
            } else if by == (1.0, 1.0) {
                track.follow(&place, &usual, token, marginal)?.probability
            } else {
                track
                    .follow(&place, &perturbed(by), token, marginal)?
                    .probability
            };
            ratios.push(ratio(probability));
        }
        found.ratios.push(ratios);
        if !is.exact {
            found.parted.push(at);
        }
        if !is.explained {
            found.unexplained.push(at);
        }
        history.push(token);
        steps.push(token);
    }
    Ok(found)
}

/// The tokens of a draw, and the mark that ended them.
fn drawn(draw: &Draw) -> impl Iterator<Item = u32> {
    draw.tokens.iter().copied().chain(draw.stop).map(u32::from)
}

/// By how much the logits of another engine are wrong at the places of a text: a vector of each, from
/// which the mean by the exact engine's probabilities is taken, since it changes nothing.
///
/// # Errors
/// As [`follow`].
pub(super) fn measure_errors(
    text: &Text<'_>,
    other: (&SpeechLm, &LmPrompt),
    places: usize,
) -> native::Result<Vec<Vec<f32>>> {
    let (lm, prompt) = other;
    let (mut exact, mut wrong) = (text.lm.steps(text.prompt)?, lm.steps(prompt)?);
    let mut found = Vec::new();
    let tokens = text.draw.tokens.iter().copied().map(u32::from);
    for token in tokens.take(places) {
        let (is, has) = (exact.logits()?, wrong.logits()?);
        let largest = is.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut mean, mut sum) = (0.0, 0.0);
        for (&is, &has) in is.iter().zip(&has) {
            let weight = f64::from(is - largest).exp();
            mean += weight * f64::from(has - is);
            sum += weight;
        }
        let mean = (mean / sum) as f32;
        found.push(
            is.iter()
                .zip(&has)
                .map(|(is, has)| has - is - mean)
                .collect(),
        );
        exact.push(token);
        wrong.push(token);
    }
    Ok(found)
}
