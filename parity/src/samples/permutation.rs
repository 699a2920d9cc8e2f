use std::collections::BTreeMap;

use native::torch_rng::{Multinomial, TorchRng};

use super::feature::{Class, Feature, Pool};

/// Permutations that reach what was found before a test ends without a finding (Besag and Clifford,
/// 1991: the p-value is then exact, and most tests of right engines end soon).
const REACHED: usize = 20;

/// Draws numbers for shuffling and for resampling: torch's generator, which is at hand.
pub(super) struct Shuffler(TorchRng);

impl Shuffler {
    pub(super) fn new(seed: u64) -> Self {
        Self(TorchRng::new(seed, Multinomial::default()))
    }

    /// One of `0..n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        // Uniform to 2⁻³² of the number of draws, of which there are thousands.
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// Shuffles in place (Fisher and Yates).
    fn shuffle(&mut self, labels: &mut [bool]) {
        for last in (1..labels.len()).rev() {
            let with = self.below(last + 1);
            labels.swap(last, with);
        }
    }
}

/// A statistic of two groups of draws, ready to be computed for any grouping.
pub(super) enum TwoSample {
    /// The largest distance of two cumulative distributions.
    KolmogorovSmirnov {
        /// Draws by their value.
        order: Vec<usize>,
        /// Whether the next one has another value.
        last_of_ties: Vec<bool>,
    },
    /// The likelihood ratio of a two-row table.
    G {
        /// Counts by class, for each draw.
        draws: Vec<Vec<(usize, u32)>>,
        /// Counts of both groups together.
        totals: Vec<u32>,
        /// What the classes are.
        classes: Vec<Class>,
    },
}

impl TwoSample {
    pub(super) fn new(feature: Feature) -> Self {
        match feature {
            Feature::Values(values) => {
                let mut sorted: Vec<(f64, usize)> = values.into_iter().zip(0..).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                let next = sorted.iter().skip(1).map(Some).chain([None]);
                let differs = |(this, next): (&(f64, usize), Option<&(f64, usize)>)| {
                    next.is_none_or(|next| next.0 > this.0)
                };
                Self::KolmogorovSmirnov {
                    last_of_ties: sorted.iter().zip(next).map(differs).collect(),
                    order: sorted.iter().map(|s| s.1).collect(),
                }
            }
            Feature::Counts(counts) => {
                let mut numbers: BTreeMap<Class, usize> = BTreeMap::new();
                let mut totals = Vec::new();
                let mut classes = Vec::new();
                let mut numbered = |(class, n): (Class, u32)| {
                    let number = *numbers.entry(class).or_insert_with(|| {
                        totals.push(0);
                        classes.push(class);
                        totals.len() - 1
                    });
                    if let Some(total) = totals.get_mut(number) {
                        *total += n;
                    }
                    (number, n)
                };
                let draws = counts
                    .into_iter()
                    .map(|draw| draw.into_iter().map(&mut numbered).collect())
                    .collect();
                Self::G {
                    draws,
                    totals,
                    classes,
                }
            }
        }
    }

    /// Whether every draw is the same, so that nothing can differ.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Self::KolmogorovSmirnov { last_of_ties, .. } => {
                last_of_ties.iter().filter(|last| **last).count() < 2
            }
            Self::G { totals, .. } => totals.len() < 2,
        }
    }

    /// The statistic where `candidate` says which draws are the candidate's.
    pub(super) fn value(&self, candidate: &[bool]) -> f64 {
        match self {
            Self::KolmogorovSmirnov {
                order,
                last_of_ties,
            } => kolmogorov_smirnov(order, last_of_ties, candidate),
            Self::G { totals, .. } => g(totals, &self.counts(candidate)),
        }
    }

    /// The G statistic of draws that are drawn again, with replacement, column by
    /// column within each side.
    pub(super) fn resampled(&self, pool: &Pool<'_>, shuffler: &mut Shuffler) -> f64 {
        let Self::G { draws, totals, .. } = self else {
            return f64::NAN;
        };
        let mut counts = vec![0; totals.len()];
        let mut all = vec![0; totals.len()];
        let columns = pool.columns.len();
        for side in [false, true] {
            let own = (0..columns).filter(|&at| pool.columns.get(at) == Some(&side));
            let own: Vec<usize> = own.collect();
            for _ in 0..own.len() {
                let Some(&column) = own.get(shuffler.below(own.len())) else {
                    continue;
                };
                let again = draws.iter().skip(column).step_by(columns.max(1));
                for &(class, n) in again.flatten() {
                    if let (Some(count), Some(all)) = (counts.get_mut(class), all.get_mut(class)) {
                        *count += if side { n } else { 0 };
                        *all += n;
                    }
                }
            }
        }
        g(&all, &counts)
    }

    /// The number of counts that a G statistic is of.
    pub(super) fn size(&self) -> f64 {
        match self {
            Self::KolmogorovSmirnov { order, .. } => order.len() as f64,
            Self::G { totals, .. } => totals.iter().map(|&n| f64::from(n)).sum(),
        }
    }

    /// The candidate's counts.
    fn counts(&self, candidate: &[bool]) -> Vec<u32> {
        let Self::G { draws, totals, .. } = self else {
            return Vec::new();
        };
        let mut counts = vec![0; totals.len()];
        for (draw, _) in draws.iter().zip(candidate).filter(|(_, theirs)| **theirs) {
            for &(class, n) in draw {
                if let Some(count) = counts.get_mut(class) {
                    *count += n;
                }
            }
        }
        counts
    }

    /// The class that differs most, with the golden's share of it and the candidate's.
    pub(super) fn most_different(&self, candidate: &[bool]) -> Option<(Class, [f64; 2])> {
        let Self::G {
            totals, classes, ..
        } = self
        else {
            return None;
        };
        let counts = self.counts(candidate);
        let theirs: f64 = counts.iter().map(|&n| f64::from(n)).sum();
        let all = self.size();
        let share = |n: f64, of: f64| if of > 0.0 { n / of } else { 0.0 };
        let rows = totals.iter().zip(&counts).zip(classes);
        let scored = rows.map(|((&total, &count), &class)| {
            let (total, count) = (f64::from(total), f64::from(count));
            let expected = share(total * theirs, all).max(f64::MIN_POSITIVE);
            let score = (count - expected).powi(2) / expected;
            (
                score,
                class,
                [share(total - count, all - theirs), share(count, theirs)],
            )
        });
        let most = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((most.1, most.2))
    }
}

fn kolmogorov_smirnov(order: &[usize], last_of_ties: &[bool], candidate: &[bool]) -> f64 {
    let theirs = candidate.iter().filter(|c| **c).count().max(1) as f64;
    let ours = candidate.iter().filter(|c| !**c).count().max(1) as f64;
    let (mut below, mut largest) = ([0.0, 0.0], 0.0f64);
    for (&at, &last) in order.iter().zip(last_of_ties) {
        let [golden, other] = &mut below;
        match candidate.get(at) {
            Some(true) => *other += 1.0,
            _ => *golden += 1.0,
        }
        if last {
            largest = largest.max((*golden / ours - *other / theirs).abs());
        }
    }
    largest
}

/// Twice the log likelihood ratio of a table of two rows: `counts`, and what is left of `totals`.
fn g(totals: &[u32], counts: &[u32]) -> f64 {
    let term = |n: f64| if n > 0.0 { n * n.ln() } else { 0.0 };
    let (mut all, mut theirs, mut sum) = (0.0, 0.0, 0.0);
    for (&total, &count) in totals.iter().zip(counts) {
        let (total, count) = (f64::from(total), f64::from(count));
        sum += term(count) + term(total - count) - term(total);
        all += total;
        theirs += count;
    }
    (2.0 * (sum - term(theirs) - term(all - theirs) + term(all))).max(0.0)
}

/// What shuffling found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shuffled {
    /// The statistic as it is.
    pub(super) observed: f64,
    /// How often a difference at least as large comes about where there is none.
    pub(super) p: f64,
    /// The mean of the statistic where there is none.
    pub(super) mean: f64,
    /// Its standard deviation there.
    pub(super) deviation: f64,
}

/// Holds statistics against what they are where the sides of the columns are shuffled, `most` times.
pub(super) fn shuffle(
    pool: &Pool<'_>,
    statistics: &[TwoSample],
    most: usize,
    shuffler: &mut Shuffler,
) -> Vec<Shuffled> {
    let observed: Vec<f64> = statistics
        .iter()
        .map(|s| s.value(&pool.candidate))
        .collect();
    let mut tests: Vec<Progress> = observed.iter().map(|&o| Progress::new(o)).collect();
    let mut columns = pool.columns.clone();
    let mut labels = pool.candidate.clone();
    for _ in 0..most {
        if tests.iter().all(Progress::is_done) {
            break;
        }
        shuffler.shuffle(&mut columns);
        for (label, column) in labels.iter_mut().zip(columns.iter().cycle()) {
            *label = *column;
        }
        for (test, statistic) in tests.iter_mut().zip(statistics) {
            if !test.is_done() {
                test.add(statistic.value(&labels));
            }
        }
    }
    tests.iter().map(Progress::result).collect()
}

struct Progress {
    observed: f64,
    reached: usize,
    values: usize,
    sum: f64,
    squares: f64,
}

impl Progress {
    fn new(observed: f64) -> Self {
        Self {
            observed,
            reached: 0,
            values: 0,
            sum: 0.0,
            squares: 0.0,
        }
    }

    fn is_done(&self) -> bool {
        self.reached == REACHED
    }

    fn add(&mut self, value: f64) {
        // Sums of the same terms in another order differ in their last digits.
        self.reached += usize::from(value >= self.observed * (1.0 - 1e-12));
        self.values += 1;
        self.sum += value;
        self.squares += value * value;
    }

    fn result(&self) -> Shuffled {
        let n = self.values.max(1) as f64;
        let mean = self.sum / n;
        let p = match self.is_done() {
            true => self.reached as f64 / n,
            false => (self.reached + 1) as f64 / (n + 1.0),
        };
        Shuffled {
            observed: self.observed,
            p,
            mean,
            deviation: (self.squares / n - mean * mean).max(0.0).sqrt(),
        }
    }
}

/// Holm's correction: the p-values of several tests, such that a finding among all of them is as
/// rare as one of a single test.
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest = 0.0f64;
    for (rank, (at, p)) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        largest = largest.max((p * left).min(1.0));
        if let Some(adjusted) = adjusted.get_mut(at) {
            *adjusted = largest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_is_as_in_his_paper() {
        // Four tests at 0.05: the first two are rejected, the third is not.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (a, e) in adjusted.iter().zip(expected) {
            assert!((a - e).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn g_is_that_of_a_table_worked_by_hand() {
        // 2 Σ O ln(O/E) of [[10, 20], [20, 10]], all expected 15.
        let expected = 2.0 * (20.0 * (10.0f64 / 15.0).ln() + 40.0 * (20.0f64 / 15.0).ln());
        assert!((g(&[30, 30], &[10, 20]) - expected).abs() < 1e-9);
        assert_eq!(g(&[10, 30], &[5, 15]), 0.0);
    }

    #[test]
    fn the_largest_distance_is_taken_after_ties() {
        let feature = Feature::Values(vec![1.0, 1.0, 2.0, 1.0, 2.0, 2.0]);
        let two = TwoSample::new(feature);
        let candidate = [false, false, false, true, true, true];
        // Up to 1: two thirds of the first three, one third of the others.
        assert!((two.value(&candidate) - 1.0 / 3.0).abs() < 1e-12);
        assert!(TwoSample::new(Feature::Values(vec![2.0; 4])).is_constant());
    }
}
