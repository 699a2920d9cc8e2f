use std::collections::BTreeMap;

use super::limits::OVERLONG;
use super::{Draw, Statistic, TextDraws};

/// Classes of fewer counts than this on both sides together are put together: fewer than five are
/// expected on each.
const RARE: u64 = 10;
/// Repetitions are told apart up to this distance, in tokens: beyond the reference's window of 10.
const FARTHEST: usize = 16;
/// Where classes of ranks begin.
const RANKS: [u8; 14] = [0, 1, 2, 3, 5, 7, 10, 13, 16, 18, 20, 22, 25, 60];

/// A class of a statistic: the group within which rare classes are put together, and its number.
pub(super) type Class = (u32, u32);

/// All draws of both sides, text by text, as they are shuffled.
///
/// A *column* is what one seed, or one number of a draw, says of every text. An engine that draws
/// torch's numbers chooses the same rank in every text where it chooses among equally likely tokens, so
/// that the draws of a column are not independent of each other: columns are, and are shuffled and
/// resampled as wholes.
pub(super) struct Pool<'a> {
    /// The draws, those of a text next to each other.
    pub(super) draws: Vec<&'a Draw>,
    /// Whether each is the candidate's.
    pub(super) candidate: Vec<bool>,
    /// Whether each column is the candidate's; every text has all of them.
    pub(super) columns: Vec<bool>,
    /// Median length of each text over both sides, at least 1.
    pub(super) medians: Vec<f64>,
    /// Fewest tokens of each text.
    fewest: Vec<u32>,
    silent: &'a [u32],
}

/// A statistic of every draw of a pool.
pub(super) enum Feature {
    /// A number.
    Values(Vec<f64>),
    /// How often each class occurs in it.
    Counts(Vec<Vec<(Class, u32)>>),
}

impl<'a> Pool<'a> {
    pub(super) fn new(
        golden: &'a [TextDraws],
        candidate: &'a [TextDraws],
        silent: &'a [u32],
    ) -> Self {
        let least = |side: &[TextDraws]| side.iter().map(|text| text.draws.len()).min();
        let [ours, theirs] = [golden, candidate].map(|side| least(side).unwrap_or(0));
        let columns: Vec<bool> = [vec![false; ours], vec![true; theirs]].concat();
        let mut pool = Self {
            draws: Vec::new(),
            candidate: Vec::new(),
            columns,
            medians: Vec::new(),
            fewest: Vec::new(),
            silent,
        };
        for (golden, candidate) in golden.iter().zip(candidate) {
            let both = golden.draws.iter().take(ours);
            let both: Vec<&Draw> = both.chain(candidate.draws.iter().take(theirs)).collect();
            let mut lengths: Vec<usize> = both.iter().map(|draw| draw.tokens.len()).collect();
            lengths.sort_unstable();
            let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
            pool.medians.push(median.max(1) as f64);
            pool.draws.extend(both);
            pool.candidate.extend(&pool.columns);
            let [fewest, _] = golden.bounds;
            pool.fewest.push(fewest);
        }
        pool
    }

    /// Every draw with the number of its text.
    pub(super) fn by_text(&self) -> impl Iterator<Item = (usize, &'a Draw)> {
        let columns = self.columns.len().max(1);
        let numbered = self.draws.iter().enumerate();
        numbered.map(move |(at, &draw)| (at / columns, draw))
    }

    /// A value for every draw.
    pub(super) fn values(&self, of: impl Fn(&Self, usize, &Draw) -> f64) -> Vec<f64> {
        self.by_text()
            .map(|(text, draw)| of(self, text, draw))
            .collect()
    }

    /// The statistic of every draw; `None` if the draws do not tell it.
    pub(super) fn feature(&self, statistic: Statistic) -> Option<Feature> {
        let counts = |of: &dyn Fn(usize, &Draw) -> Vec<Class>| {
            let counted = self.by_text().map(|(text, draw)| count(of(text, draw)));
            Some(Feature::Counts(pooled(counted.collect())))
        };
        match statistic {
            Statistic::Length => Some(Feature::Values(self.values(Self::relative_length))),
            Statistic::Silence => Some(Feature::Values(self.values(Self::silence))),
            Statistic::Stop => counts(&|text, draw| vec![(0, self.ending(text, draw))]),
            Statistic::FirstToken => counts(&|text, draw| {
                let first = draw
                    .tokens
                    .first()
                    .map_or(u32::from(u16::MAX), |&t| u32::from(t));
                vec![(u32::try_from(text).unwrap_or(u32::MAX), first)]
            }),
            Statistic::Repeats => counts(&|_, draw| {
                distances(draw)
                    .map(|d| (0, u32::try_from(d).unwrap_or(0)))
                    .collect()
            }),
            Statistic::Overlong => {
                counts(&|text, draw| vec![(0, u32::from(self.is_overlong(text, draw)))])
            }
            Statistic::Empty => counts(&|_, draw| vec![(0, u32::from(draw.tokens.is_empty()))]),
            Statistic::Tokens => {
                counts(&|_, draw| draw.tokens.iter().map(|&t| (0, u32::from(t))).collect())
            }
            Statistic::Ranks => {
                let known = self.draws.iter().all(|d| d.ranks.len() == d.tokens.len());
                let classes =
                    |draw: &Draw| draw.ranks.iter().map(|&r| (0, rank_class(r))).collect();
                known.then(|| counts(&|_, draw| classes(draw))).flatten()
            }
        }
    }

    /// The length as a multiple of the text's median.
    pub(super) fn relative_length(&self, text: usize, draw: &Draw) -> f64 {
        draw.tokens.len() as f64 / self.medians.get(text).copied().unwrap_or(1.0)
    }

    pub(super) fn is_overlong(&self, text: usize, draw: &Draw) -> bool {
        self.relative_length(text, draw) > OVERLONG
    }

    /// The share of silent tokens.
    pub(super) fn silence(&self, _text: usize, draw: &Draw) -> f64 {
        share(
            draw.tokens
                .iter()
                .map(|&t| self.silent.contains(&u32::from(t))),
        )
    }

    /// The share of tokens that occur among the ten before.
    pub(super) fn repeats(&self, _text: usize, draw: &Draw) -> f64 {
        share(distances(draw).map(|d| (1..=10).contains(&d)))
    }

    /// The share of tokens that are not among the likeliest 25.
    pub(super) fn unlikely(&self, _text: usize, draw: &Draw) -> f64 {
        share(draw.ranks.iter().map(|&rank| rank >= 25))
    }

    /// 0 for the longest length; else the mark, and whether it came early.
    fn ending(&self, text: usize, draw: &Draw) -> u32 {
        let fewest = self.fewest.get(text).copied().unwrap_or(0) as usize;
        let early = draw.tokens.len() < fewest;
        draw.stop
            .map_or(0, |mark| 2 * u32::from(mark) + u32::from(early))
    }
}

fn share(hits: impl Iterator<Item = bool>) -> f64 {
    let (mut all, mut found) = (0u32, 0u32);
    for hit in hits {
        all += 1;
        found += u32::from(hit);
    }
    f64::from(found) / f64::from(all.max(1))
}

/// For each token, how many tokens ago the same one was drawn last; 0 if it was not within
/// [`FARTHEST`].
fn distances(draw: &Draw) -> impl Iterator<Item = usize> {
    draw.tokens.iter().enumerate().map(|(at, token)| {
        let before = draw.tokens.iter().take(at).rev().take(FARTHEST);
        before.clone().position(|t| t == token).map_or(0, |d| d + 1)
    })
}

/// The last class that begins at or before a rank.
fn rank_class(rank: u8) -> u32 {
    let class = RANKS
        .partition_point(|&first| first <= rank)
        .saturating_sub(1);
    u32::try_from(class).unwrap_or(0)
}

fn count(classes: Vec<Class>) -> Vec<(Class, u32)> {
    let mut counts = BTreeMap::new();
    for class in classes {
        *counts.entry(class).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// The number of the class that rare ones are put into.
pub(super) const OTHERS: u32 = u32::MAX;

/// The same with rare classes put together.
fn pooled(draws: Vec<Vec<(Class, u32)>>) -> Vec<Vec<(Class, u32)>> {
    let mut totals: BTreeMap<Class, u64> = BTreeMap::new();
    for (class, n) in draws.iter().flatten() {
        *totals.entry(*class).or_default() += u64::from(*n);
    }
    let two = totals.len() == 2;
    let class = |class: Class| match totals.get(&class) {
        // Of two classes the rare one is what is looked for.
        Some(&n) if n < RARE && !two => (class.0, OTHERS),
        _ => class,
    };
    let renamed = |draw: Vec<(Class, u32)>| {
        let mut counts: BTreeMap<Class, u32> = BTreeMap::new();
        for (of, n) in draw {
            *counts.entry(class(of)).or_default() += n;
        }
        counts.into_iter().collect()
    };
    draws.into_iter().map(renamed).collect()
}

impl Statistic {
    /// What a class is, in words.
    pub(super) fn class_name(self, (group, class): Class) -> String {
        match (self, class) {
            (_, OTHERS) => "all rare ones together".to_owned(),
            (Self::Stop, 0) => "the longest length".to_owned(),
            (Self::Stop, ending) => {
                let early = if ending % 2 == 1 { ", early" } else { "" };
                format!("the mark {}{early}", ending / 2)
            }
            (Self::FirstToken, token) if token == u32::from(u16::MAX) => {
                format!("none, of text {}", group + 1)
            }
            (Self::FirstToken, token) => format!("token {token} of text {}", group + 1),
            (Self::Repeats, 0) => "new tokens".to_owned(),
            (Self::Repeats, 1) => "the token just before".to_owned(),
            (Self::Repeats, d) => format!("the token {d} before"),
            (Self::Ranks, class) => {
                let bound = |at: usize| RANKS.get(at).copied();
                let class = class as usize;
                let first = bound(class).unwrap_or(0);
                match bound(class + 1) {
                    Some(next) if next == first + 1 => format!("rank {first}"),
                    Some(next) => format!("ranks {first} to {}", next - 1),
                    None => format!("ranks from {first} on"),
                }
            }
            (Self::Overlong | Self::Empty, 0) => "the others".to_owned(),
            (Self::Overlong | Self::Empty, _) => self.name().to_owned(),
            (_, token) => format!("token {token}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_counted_by_their_distance() {
        let draw = Draw {
            tokens: vec![5, 6, 5, 5, 7],
            ..Draw::default()
        };
        assert_eq!(distances(&draw).collect::<Vec<_>>(), [0, 0, 2, 1, 0]);
        let mut far = vec![9u16];
        far.extend(100..116);
        far.push(9);
        let draw = Draw {
            tokens: far,
            ..Draw::default()
        };
        assert_eq!(distances(&draw).last(), Some(0));
    }

    #[test]
    fn ranks_fall_into_classes_that_have_names() {
        assert_eq!(
            [0, 4, 24, 25, 59, 60, 255].map(rank_class),
            [0, 3, 11, 12, 12, 13, 13]
        );
        let name = |rank| Statistic::Ranks.class_name((0, rank_class(rank)));
        assert_eq!(
            [name(1), name(4), name(255)],
            ["rank 1", "ranks 3 to 4", "ranks from 60 on"]
        );
    }

    #[test]
    fn rare_classes_are_put_together_but_never_one_of_two() {
        let draws = |rare: u32| {
            let mut draws = vec![vec![((0, 1), 1)]; 20];
            draws.extend(vec![vec![((0, rare), 1)]; 3]);
            draws
        };
        let mut three = draws(2);
        three.push(vec![((0, 3), 2)]);
        assert_eq!(
            pooled(three)[20..],
            [
                vec![((0, OTHERS), 1)],
                vec![((0, OTHERS), 1)],
                vec![((0, OTHERS), 1)],
                vec![((0, OTHERS), 2)],
            ]
        );
        assert_eq!(pooled(draws(2))[20], [((0, 2), 1)]);
    }
}
