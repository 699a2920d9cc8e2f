use serde::Serialize;

use crate::report::number;
use crate::samples::{DrawsSummary, EquivalenceTest, Verdict};

/// The draws of many seeds, as the page shows them.
#[derive(Serialize)]
pub struct Draws {
    line: String,
    differences: Vec<DifferenceRow>,
    equivalences: Vec<EquivalenceRow>,
}

#[derive(Serialize)]
struct DifferenceRow {
    name: String,
    test: String,
    effect: String,
    p: String,
    differs: bool,
    most: String,
}

#[derive(Serialize)]
struct EquivalenceRow {
    name: String,
    low: String,
    high: String,
    margin: String,
    visible: String,
    holds: bool,
}

pub fn draws(summary: &DrawsSummary) -> Draws {
    let differences = summary.differences.iter().map(|d| DifferenceRow {
        name: d.name.clone(),
        test: d.test.clone(),
        effect: number(d.effect),
        p: number(d.corrected_p),
        differs: d.corrected_p <= summary.alpha,
        most: d.most.clone().unwrap_or_default(),
    });
    let equivalences = summary.equivalences.iter().map(|e| {
        let [low, high] = e.interval.map(|bound| shown(e, bound));
        EquivalenceRow {
            name: e.name.clone(),
            low,
            high,
            margin: shown(e, e.margin),
            visible: e.smallest_visible.map(|v| shown(e, v)).unwrap_or_default(),
            holds: e.holds(),
        }
    });
    let verdict = match summary.verdict() {
        Verdict::Different => "Different",
        Verdict::Equivalent => "Equivalent",
        Verdict::Undecided => "Undecided: too few draws to tell",
    };
    let [golden, candidate] = summary.draws;
    let (texts, shared) = (summary.texts, summary.shared);
    let equal = match shared {
        0 => String::new(),
        _ => format!(
            " With the golden's own seeds {} of {shared} draws are equal, token by token.",
            summary.equal
        ),
    };
    Draws {
        line: format!(
            "{verdict}. {texts} texts, {golden} draws of each in the golden and {candidate} in the \
             candidate.{equal}"
        ),
        differences: differences.collect(),
        equivalences: equivalences.collect(),
    }
}

fn shown(test: &EquivalenceTest, value: f64) -> String {
    match test.is_share {
        true => format!("{:.2} %", 100.0 * value),
        false => format!("{value:.4}"),
    }
}
