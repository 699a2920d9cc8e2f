use serde::Serialize;

use super::permutation::Shuffler;
use super::{Settings, Statistic, TextDraws, Verdict, compare_draws};

/// How often comparisons of parts of samples end in each verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trials {
    /// Comparisons.
    pub comparisons: usize,
    /// Draws of each text on each side.
    pub draws: usize,
    /// Those that were called different.
    pub different: usize,
    /// Those that were called equivalent.
    pub equivalent: usize,
    /// How often each test found a difference.
    pub by_test: Vec<(Statistic, usize)>,
}

impl Trials {
    /// The share that was called different, and its standard error.
    pub fn rate(&self) -> (f64, f64) {
        let n = self.comparisons.max(1) as f64;
        let rate = self.different as f64 / n;
        (rate, (rate * (1.0 - rate) / n).sqrt())
    }
}

/// Compares `draws` of each text, taken at random from both sides, again and again. Without a
/// candidate both sides are taken from the golden, and have no draw in common: how often that is
/// called different is the rate of false alarms.
///
/// There are as many `draws` on each side as there are, if there are fewer.
pub fn trials(
    golden: &[TextDraws],
    candidate: Option<&[TextDraws]>,
    draws: usize,
    comparisons: usize,
    settings: &Settings,
) -> Trials {
    let mut shuffler = Shuffler::new(settings.seed);
    let mut found = Trials {
        comparisons,
        ..Trials::default()
    };
    for _ in 0..comparisons {
        let (ours, theirs) = match candidate {
            Some(candidate) => (
                some(golden, draws, &mut shuffler),
                some(candidate, draws, &mut shuffler),
            ),
            None => {
                let both = some(golden, 2 * draws, &mut shuffler);
                both.into_iter().map(halves).unzip()
            }
        };
        let sides = [&ours, &theirs].map(|side| side.iter().map(|text| text.draws.len()).min());
        found.draws = sides.into_iter().flatten().min().unwrap_or(0);
        let comparison = compare_draws(&ours, &theirs, settings);
        found.different += usize::from(comparison.verdict == Verdict::Different);
        found.equivalent += usize::from(comparison.verdict == Verdict::Equivalent);
        for difference in comparison.differences.iter().filter(|d| d.differs) {
            let of = found
                .by_test
                .iter_mut()
                .find(|t| t.0 == difference.statistic);
            match of {
                Some((_, count)) => *count += 1,
                None => found.by_test.push((difference.statistic, 1)),
            }
        }
    }
    found.by_test.sort();
    found
}

/// Some of the columns, at random.
fn some(texts: &[TextDraws], count: usize, shuffler: &mut Shuffler) -> Vec<TextDraws> {
    let columns = texts.iter().map(|text| text.draws.len()).min();
    let mut left: Vec<usize> = (0..columns.unwrap_or(0)).collect();
    let mut chosen = Vec::new();
    while chosen.len() < count && !left.is_empty() {
        chosen.push(left.swap_remove(shuffler.below(left.len())));
    }
    let of = |text: &TextDraws| TextDraws {
        bounds: text.bounds,
        draws: chosen
            .iter()
            .filter_map(|&at| text.draws.get(at).cloned())
            .collect(),
    };
    texts.iter().map(of).collect()
}

fn halves(mut text: TextDraws) -> (TextDraws, TextDraws) {
    let half = text.draws.len() / 2;
    let mut theirs = text.draws.split_off(half);
    theirs.truncate(half);
    let bounds = text.bounds;
    (
        text,
        TextDraws {
            bounds,
            draws: theirs,
        },
    )
}
