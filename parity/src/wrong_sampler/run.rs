use native::audio::Waveform;
use native::engine::Engine;

use super::mistake::{Mistake, Sampled};
use super::utterance::Utterance;
use crate::case::{self, Case, CaseFile};

/// A run is overlong if it is half as long again as the right one of its text and seed.
const OVERLONG: f64 = 1.5;

/// What is sampled.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    /// Seeds for each text.
    pub seeds: u64,
    /// Texts whose sounds are made.
    pub heard: usize,
}

/// What the mistakes did.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Texts that were said.
    pub texts: usize,
    /// Seeds for each.
    pub seeds: u64,
    /// The right sampler first, then every mistake.
    pub rows: Vec<Row>,
    /// How near the right sampler's draws were to others.
    pub margins: Margins,
    /// A few of the sounds.
    pub heard: Vec<Heard>,
}

/// How near draws were to others: where two engines' logits differ by less than the margin, they
/// draw the same token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Margins {
    /// Draws in all.
    pub draws: usize,
    /// Draws whose margin is below each of [`Margins::BOUNDS`].
    pub below: [usize; 4],
    /// The smallest.
    pub least: f32,
}

impl Margins {
    /// Differences of logits.
    pub const BOUNDS: [f32; 4] = [1e-2, 1e-3, 1e-4, 1e-5];

    fn of(margins: &[f32]) -> Self {
        Self {
            draws: margins.len(),
            below: Self::BOUNDS.map(|b| margins.iter().filter(|&&m| m < b).count()),
            least: margins.iter().copied().fold(f32::INFINITY, f32::min),
        }
    }
}

/// What a sampler did over all texts and seeds.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// `None` for the right one.
    pub mistake: Option<Mistake>,
    /// Runs.
    pub runs: usize,
    /// Speech tokens of all runs.
    pub tokens: usize,
    /// Runs at least half as long again as the right one.
    pub overlong: usize,
    /// Runs at most half as long as the right one.
    pub short: usize,
    /// Runs that nothing but the longest length ended.
    pub endless: usize,
    /// Runs that say exactly what the right one says.
    pub same: usize,
}

/// One text, said by the right sampler and with every mistake.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The text.
    pub text: String,
    /// Samples at 24 kHz, the right ones first.
    pub sounds: Vec<(Option<Mistake>, Vec<f32>)>,
}

/// Lets the engine say the zero-shot texts of `cases` with every mistake.
///
/// `progress` is told after each text how many are done, of how many.
///
/// # Errors
/// If a prompt cannot be read, or the engine fails. [`Findings::texts`] is 0 if no case can be used.
pub fn run(
    engine: &Engine,
    cases: &CaseFile,
    runs: Runs,
    progress: impl Fn(usize, usize),
) -> native::Result<Findings> {
    let samplers = [None].into_iter().chain(Mistake::ALL.map(Some));
    let mut rows: Vec<_> = samplers
        .map(|mistake| Row {
            mistake,
            ..Row::default()
        })
        .collect();
    let usable: Vec<_> = cases.cases.iter().filter(|c| is_usable(c)).collect();
    let (mut heard, mut margins) = (Vec::new(), Vec::new());
    for (done, case) in usable.iter().enumerate() {
        progress(done, usable.len());
        let said = utterance(engine, cases, case)?;
        for seed in (0..runs.seeds).map(|i| case.seed + i) {
            let sample = |row: &Row| said.sample(row.mistake, seed);
            let sampled: Vec<_> = rows.iter().map(sample).collect::<native::Result<_>>()?;
            let [right, ..] = sampled.as_slice() else {
                continue;
            };
            margins.extend(&right.margins);
            for (row, sampled) in rows.iter_mut().zip(&sampled) {
                row.count(sampled, right);
            }
            if seed == case.seed && heard.len() < runs.heard {
                let sound = |(row, sampled): (&Row, &Sampled)| {
                    Ok((row.mistake, said.sound(&sampled.tokens)?))
                };
                let sounds = rows.iter().zip(&sampled).map(sound);
                heard.push(Heard {
                    text: said.text().to_owned(),
                    sounds: sounds.collect::<native::Result<_>>()?,
                });
            }
        }
    }
    Ok(Findings {
        texts: usable.len(),
        seeds: runs.seeds,
        rows,
        margins: Margins::of(&margins),
        heard,
    })
}

/// Zero-shot, one text at once, and no saved speaker.
fn is_usable(case: &Case) -> bool {
    matches!(case.mode, case::Mode::ZeroShot { .. })
        && case.speaker.is_none()
        && !case.in_pieces()
        && !case.stream
        && case.lm_weights.is_none()
}

impl Row {
    fn count(&mut self, sampled: &Sampled, right: &Sampled) {
        let (length, usual) = (sampled.tokens.len(), right.tokens.len());
        self.runs += 1;
        self.tokens += length;
        self.overlong += usize::from(length as f64 >= OVERLONG * usual as f64);
        self.short += usize::from(2 * length <= usual);
        self.endless += usize::from(!sampled.stopped);
        self.same += usize::from(sampled.tokens == right.tokens);
    }
}

/// What a case says, in its voice.
fn utterance<'e>(
    engine: &'e Engine,
    cases: &CaseFile,
    case: &Case,
) -> native::Result<Utterance<'e>> {
    let text = case.text().map(case::Text::joined).unwrap_or_default();
    let transcript = case.prompt_text().unwrap_or_default().to_owned();
    let prompt = Waveform::read(&cases.resolve(&case.prompt_wav))?;
    Utterance::new(engine, text, transcript, &prompt)
}
