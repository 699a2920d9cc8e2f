use native::engine::EngineBuilder;
use native::precision::{Precision, Precisions};
use rayon::prelude::*;

use super::errors::LogitErrors;
use super::follow::{Followed, Text, follow, measure_errors};
use crate::case::CaseFile;
use crate::record::{Error, NativeRecorder};
use crate::samples::Samples;

/// Places at which the error of the logits is measured: of each text, and of all.
const PLACES: (usize, usize) = (24, 256);

/// The error of float32 in another order, in multiples of that of bfloat16: it has 16 bits more of each
/// number, and sums have some more rounding.
const F32_FROM_BF16: f32 = 1.0 / 8192.0;

/// The exact engine, and one whose logits are as wrong as is explained.
pub struct Engines {
    exact: NativeRecorder,
    wrong: NativeRecorder,
    /// By how much the latter's error is multiplied.
    scale: f32,
}

impl Engines {
    /// Loads the engines of a model, to explain tokens by the error of `explain`. `builder` is asked
    /// for the model.
    ///
    /// # Errors
    /// If the model cannot be loaded.
    pub fn load(builder: impl Fn() -> EngineBuilder, explain: Precisions) -> Result<Self, Error> {
        let load = |precision: Precisions| {
            NativeRecorder::load(
                builder().precision(precision),
                "cpu",
                &precision.to_string(),
            )
        };
        let exact = Precisions::default();
        let (wrong, scale) = if explain == exact {
            (Precision::Bf16.into(), F32_FROM_BF16)
        } else {
            (explain, 1.0)
        };
        Ok(Self {
            exact: load(exact)?,
            wrong: load(wrong)?,
            scale,
        })
    }
}

/// Follows at most `seeds` draws of each text of `samples`, whose cases are `cases`, in their order. What
/// was found is ordered by seed, so that a part of it has all texts.
///
/// `progress` is told of each text twice: before the error of its logits is measured, and before
/// it is followed.
///
/// # Errors
/// If a text has several segments, or tokens that the model does not have.
pub fn follow_samples(
    engines: &mut Engines,
    cases: &CaseFile,
    samples: &Samples,
    seeds: usize,
    mut progress: impl FnMut(&str),
) -> Result<Vec<(String, u64, Followed)>, Error> {
    let torch = samples.manifest.libraries.get("torch").map(String::as_str);
    engines.exact.match_torch(torch);
    let multinomial = engines.exact.multinomial();
    let mut prompts = Vec::new();
    let mut vectors = Vec::new();
    for (case, of) in cases.cases.iter().zip(&samples.texts) {
        progress(&format!("{}: error of the logits", case.name));
        let (engine, _, prompt) = engines.exact.lm_prompt(case, cases)?;
        if let (Some(draw), Some(&seed)) = (of.draws.first(), samples.manifest.seeds.first())
            && vectors.len() < PLACES.1
        {
            let (wrong, _, wrong_prompt) = engines.wrong.lm_prompt(case, cases)?;
            let text = Text {
                lm: engine.llm(),
                prompt: &prompt,
                draw,
                seed,
                multinomial,
            };
            let other = (wrong.llm(), &wrong_prompt);
            vectors.extend(measure_errors(&text, other, PLACES.0)?);
        }
        prompts.push((engine, prompt));
    }
    let errors = LogitErrors::new(vectors, engines.scale);
    let mut by_text = Vec::new();
    for ((case, of), (engine, prompt)) in cases.cases.iter().zip(&samples.texts).zip(&prompts) {
        progress(&case.name);
        let draws = samples.manifest.seeds.iter().zip(&of.draws);
        let draws: Vec<_> = draws.take(seeds).collect();
        let found = draws.into_par_iter().map(|(&seed, draw)| {
            let text = Text {
                lm: engine.llm(),
                prompt,
                draw,
                seed,
                multinomial,
            };
            follow(&text, &errors).map(|followed| (case.name.clone(), seed, followed))
        });
        let found: Vec<_> = found.collect::<native::Result<_>>()?;
        by_text.push(found.into_iter());
    }
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(by_text.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return Ok(all);
        }
    }
}
