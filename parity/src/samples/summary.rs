use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Comparison, Verdict};

/// How a candidate's draws of many seeds are distributed, beside the reference's: what a report keeps
/// of a [`Comparison`]. Its verdict follows from the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrawsSummary {
    /// The folder of the reference's draws.
    pub golden: String,
    /// Texts that both sides have.
    pub texts: usize,
    /// Texts that the candidate lacks.
    pub missing: Vec<String>,
    /// Draws of each text in the golden, and in the candidate.
    pub draws: [usize; 2],
    /// Draws of seeds that both sides have.
    pub shared: usize,
    /// Those that are equal, token by token.
    pub equal: usize,
    /// The share of comparisons of right engines that may be called different.
    pub alpha: f64,
    /// Tests of difference.
    pub differences: Vec<DifferenceTest>,
    /// Tests of equivalence.
    pub equivalences: Vec<EquivalenceTest>,
}

/// A test of whether something is distributed differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DifferenceTest {
    /// What.
    pub name: String,
    /// The test.
    pub test: String,
    /// How far apart the distributions are.
    pub effect: f64,
    /// How rarely right engines are as far apart, corrected for all tests of the comparison.
    pub corrected_p: f64,
    /// What differs most, if classes are counted.
    pub most: Option<String>,
}

/// Two one-sided tests of whether a number is the same within a margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EquivalenceTest {
    /// What.
    pub name: String,
    /// Whether it is a share, to be shown in percent.
    pub is_share: bool,
    /// The interval of the difference, candidate less golden.
    pub interval: [f64; 2],
    /// The largest difference of equivalent engines.
    pub margin: f64,
    /// The smallest difference that so many draws show, if it is known.
    pub smallest_visible: Option<f64>,
}

impl EquivalenceTest {
    /// Whether the interval lies within the margin.
    pub fn holds(&self) -> bool {
        let [low, high] = self.interval;
        -self.margin < low && high < self.margin
    }
}

impl DrawsSummary {
    /// What a report keeps of a comparison with the draws in the folder `golden`.
    pub fn of(comparison: &Comparison, golden: String) -> Self {
        let differences = comparison.differences.iter().map(|d| DifferenceTest {
            name: d.statistic.name().to_owned(),
            test: d.statistic.test().to_owned(),
            effect: d.effect,
            corrected_p: d.corrected_p,
            most: d.most.as_ref().map(|most| most.what.clone()),
        });
        let equivalences = comparison.equivalences.iter().map(|e| EquivalenceTest {
            name: e.estimate.name().to_owned(),
            is_share: e.estimate.is_share(),
            interval: e.interval,
            margin: e.margin,
            smallest_visible: Some(e.smallest_visible).filter(|v| v.is_finite()),
        });
        Self {
            golden,
            texts: comparison.texts.len(),
            missing: comparison.missing.clone(),
            draws: comparison.draws,
            shared: comparison.exact.shared,
            equal: comparison.exact.equal,
            alpha: comparison.settings.alpha,
            differences: differences.collect(),
            equivalences: equivalences.collect(),
        }
    }

    /// The tests that found a difference.
    pub fn found(&self) -> impl Iterator<Item = &DifferenceTest> {
        let alpha = self.alpha;
        self.differences
            .iter()
            .filter(move |d| d.corrected_p <= alpha)
    }

    /// What can be said of the candidate.
    pub fn verdict(&self) -> Verdict {
        // A report that lists no test proves nothing.
        let tested = !self.equivalences.is_empty();
        let equivalent = tested && self.equivalences.iter().all(EquivalenceTest::holds);
        Verdict::of(self.found().next().is_some(), self.draws, equivalent)
    }
}

impl std::fmt::Display for DrawsSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found: Vec<_> = self.found().map(|d| d.name.as_str()).collect();
        write!(f, "draws    ")?;
        match self.verdict() {
            Verdict::Different => write!(f, "DIFFERENT in {}", found.join(", "))?,
            Verdict::Equivalent => write!(f, "equivalent")?,
            Verdict::Undecided => write!(f, "undecided: too few")?,
        }
        if self.shared > 0 {
            let (equal, shared) = (self.equal, self.shared);
            write!(f, "; with the golden's seeds {equal} of {shared} equal")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(corrected_p: f64, interval: [f64; 2]) -> DrawsSummary {
        DrawsSummary {
            golden: "golden/samples".into(),
            texts: 2,
            missing: Vec::new(),
            draws: [10, 10],
            shared: 4,
            equal: 4,
            alpha: 0.01,
            differences: vec![DifferenceTest {
                name: "ranks".into(),
                test: "G".into(),
                effect: 0.1,
                corrected_p,
                most: None,
            }],
            equivalences: vec![EquivalenceTest {
                name: "mean log length".into(),
                is_share: false,
                interval,
                margin: 0.02,
                smallest_visible: None,
            }],
        }
    }

    #[test]
    fn the_verdict_follows_from_the_tests() {
        let within = [-0.01, 0.015];
        assert_eq!(summary(0.5, within).verdict(), Verdict::Equivalent);
        assert_eq!(summary(0.01, within).verdict(), Verdict::Different);
        assert_eq!(summary(0.5, [-0.01, 0.03]).verdict(), Verdict::Undecided);
        assert_eq!(summary(0.5, [f64::NAN; 2]).verdict(), Verdict::Undecided);
        let nothing = DrawsSummary {
            draws: [10, 0],
            ..summary(0.5, within)
        };
        assert_eq!(nothing.verdict(), Verdict::Undecided);
    }

    #[test]
    fn a_line_says_what_differs_and_how_many_are_equal() {
        let line = summary(0.001, [0.0, 0.0]).to_string();
        assert!(line.contains("DIFFERENT in ranks"), "{line}");
        assert!(line.contains("4 of 4 equal"), "{line}");
    }
}
