//! How two engines' draws compare, as a table and as a page.

use std::fmt::Write as _;

use minijinja::context;

use super::render::{Curve, Plot, Role, Scale, render};
use crate::format::number;
use crate::samples::{
    Comparison, Difference, Distribution, Equivalence, MostDifferent, Samples, Trials, Verdict,
};

/// The comparison as a table for the terminal, the verdict first.
pub fn samples_table(comparison: &Comparison) -> String {
    let mut out = headline(comparison) + "\n";
    let [golden, candidate] = comparison.draws;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} texts; {golden} draws of each in the golden, {candidate} in the candidate",
        comparison.texts.len()
    );
    for note in notes(comparison) {
        let _ = writeln!(out, "{note}");
    }
    let _ = writeln!(
        out,
        "\n{:<18}  {:<18}  {:>8}  {:>8}  {:>9}  what differs most",
        "difference", "test", "effect", "p", "corrected"
    );
    for d in &comparison.differences {
        let mark = if d.differs { "  DIFFERS: " } else { "  " };
        let _ = writeln!(
            out,
            "{:<18}  {:<18}  {:>8.4}  {:>8.4}  {:>9.4}{mark}{}",
            d.statistic.name(),
            d.statistic.test(),
            d.effect,
            d.p,
            d.corrected_p,
            most(d)
        );
    }
    let _ = writeln!(
        out,
        "\n{:<27}  {:>8}  {:>9}  {:>18}  {:>7}  {:>8}",
        "equivalence", "golden", "candidate", "interval (90%)", "margin", "visible"
    );
    for e in &comparison.equivalences {
        let [low, high] = e.interval.map(|bound| shown(e, bound));
        let outside = match e.equivalent {
            true => String::new(),
            false => format!(
                "  not within the margin; {} draws a text would tell",
                e.draws_needed
            ),
        };
        let _ = writeln!(
            out,
            "{:<27}  {:>8}  {:>9}  {:>18}  {:>7}  {:>8}{outside}",
            e.estimate.name(),
            side(e, e.golden),
            side(e, e.candidate),
            format!("{low} … {high}"),
            shown(e, e.margin),
            shown(e, e.smallest_visible),
        );
    }
    out
}

/// How often parts of samples were called different, for the terminal.
pub fn trials_table(trials: &Trials) -> String {
    let (rate, error) = trials.rate();
    let mut out = format!(
        "{} of {} comparisons of {} draws a text and side are called different: {} ± {} (standard error); {} are \
         called equivalent\n",
        trials.different,
        trials.comparisons,
        trials.draws,
        percent(rate),
        percent(error),
        trials.equivalent
    );
    for (statistic, count) in &trials.by_test {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {:<18}  {count}", statistic.name());
    }
    out
}

/// The comparison as a self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn samples_html(
    golden: &Samples,
    candidate: &Samples,
    comparison: &Comparison,
) -> Result<String, String> {
    let differences = comparison.differences.iter().map(|d| {
        context! {
            name => d.statistic.name(), meaning => d.statistic.meaning(),
            test => d.statistic.test(), effect => number(d.effect), p => number(d.p),
            corrected => number(d.corrected_p), differs => d.differs, most => most(d),
        }
    });
    let equivalences = comparison.equivalences.iter().map(|e| {
        let [low, high] = e.interval.map(|bound| shown(e, bound));
        context! {
            name => e.estimate.name(), golden => side(e, e.golden),
            candidate => side(e, e.candidate), difference => shown(e, e.difference),
            interval => format!("{low} … {high}"), margin => shown(e, e.margin),
            visible => shown(e, e.smallest_visible), needed => e.draws_needed,
            equivalent => e.equivalent,
        }
    });
    let plots = comparison.distributions.iter().filter_map(|distribution| {
        Some(context! {
            svg => plot(distribution)?, name => distribution.statistic.name(),
            meaning => distribution.statistic.meaning(), band => distribution.band.is_some(),
        })
    });
    let who = |samples: &Samples| {
        let of = &samples.manifest;
        let planted = of.planted.as_ref().map(|p| format!(", planted: {p}"));
        let planted = planted.unwrap_or_default();
        format!(
            "{} {} ({}, {}{planted})",
            of.engine.name, of.engine.version, of.device, of.precision
        )
    };
    let [ours, theirs] = comparison.draws;
    let sides = format!(
        "Golden: {}, {ours} draws of each of {} texts. Candidate: {}, {theirs} draws of each.",
        who(golden),
        comparison.texts.len(),
        who(candidate)
    );
    render(
        "samples.html",
        &[],
        context! {
            verdict => headline(comparison), sides, notes => notes(comparison),
            alpha => percent(comparison.settings.alpha),
            intervals => intervals(&comparison.equivalences),
            differences => differences.collect::<Vec<_>>(),
            equivalences => equivalences.collect::<Vec<_>>(),
            plots => plots.collect::<Vec<_>>(),
        },
    )
}

/// The verdict in a line.
fn headline(comparison: &Comparison) -> String {
    let tests = comparison.differences.len();
    let alpha = percent(comparison.settings.alpha);
    match comparison.verdict {
        Verdict::Different => {
            let found = comparison.differences.iter().filter(|d| d.differs);
            let names: Vec<_> = found.map(|d| d.statistic.name()).collect();
            format!(
                "different: {} of {tests} tests find a difference, which right engines do in at most {alpha} of \
                 comparisons: {}",
                names.len(),
                names.join(", ")
            )
        }
        Verdict::Equivalent => format!(
            "equivalent: none of {tests} tests finds a difference, and all {} intervals lie within their margins",
            comparison.equivalences.len()
        ),
        Verdict::Undecided => {
            let open = comparison.equivalences.iter().filter(|e| !e.equivalent);
            let needed = open.clone().map(|e| e.draws_needed).max().unwrap_or(0);
            format!(
                "undecided: none of {tests} tests finds a difference, but {} of {} intervals are wider than their \
                 margins; about {needed} draws a text would tell (--seeds {needed})",
                open.count(),
                comparison.equivalences.len()
            )
        }
    }
}

/// What else a reader has to know.
fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    let exact = &comparison.exact;
    if exact.shared > 0 {
        let mut note = format!(
            "{} of {} draws with the golden's own seeds are the golden's, token by token",
            exact.equal, exact.shared
        );
        if let Some((case, seed, at)) = &exact.first_other {
            let _ = write!(
                note,
                "; the first other: {case}, seed {seed}, from token {at} on"
            );
        }
        notes.push(note);
    }
    if comparison.same_seeds {
        notes.push(
            "The candidate has no other seeds than the golden, so that its draws are not independent of the \
             golden's: a difference that is found is one, but equivalence is only that of these seeds"
                .to_owned(),
        );
    }
    if !comparison.missing.is_empty() {
        notes.push(format!(
            "The candidate lacks {}",
            comparison.missing.join(", ")
        ));
    }
    notes
}

fn most(difference: &Difference) -> String {
    match &difference.most {
        Some(MostDifferent {
            what,
            golden,
            candidate,
        }) => {
            format!(
                "{what}: {} in the golden, {}",
                percent(*golden),
                percent(*candidate)
            )
        }
        None => String::new(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

fn shown(equivalence: &Equivalence, value: f64) -> String {
    match equivalence.estimate.is_share() {
        true => percent(value),
        false => format!("{value:.4}"),
    }
}

fn side(equivalence: &Equivalence, value: Option<f64>) -> String {
    value
        .map(|value| shown(equivalence, value))
        .unwrap_or_default()
}

/// The intervals beside their margins, from above in the table's order.
fn intervals(equivalences: &[Equivalence]) -> Option<String> {
    let line = |role, points| Curve { role, points };
    let count = equivalences.len() as f64;
    let mut curves: Vec<Curve> = [-1.0, 0.0, 1.0]
        .map(|x| line(Role::Level, vec![(x, 0.0), (x, count + 1.0)]))
        .into();
    for (row, e) in equivalences.iter().enumerate() {
        let y = count - row as f64;
        let [low, high] = e.interval.map(|bound| (bound / e.margin).clamp(-4.0, 4.0));
        curves.push(line(Role::Candidate, vec![(low, y), (high, y)]));
    }
    let plot = Plot {
        words: "intervals of the differences, as shares of their margins",
        x: "share of the margin",
        y: "row, from below",
        scale: Scale::Linear,
        curves,
    };
    plot.svg()
}

/// A distribution on both sides, with the band of right engines.
fn plot(distribution: &Distribution) -> Option<String> {
    let curve = |role, points: &[(f64, f64)]| Curve {
        role,
        points: points.to_vec(),
    };
    let mut curves = vec![
        curve(Role::Reference, &distribution.golden),
        curve(Role::Candidate, &distribution.candidate),
    ];
    for band in distribution.band.into_iter().flat_map(|band| [-band, band]) {
        let moved = distribution
            .golden
            .iter()
            .map(|&(x, y)| (x, (y + band).clamp(0.0, 1.0)));
        curves.push(curve(Role::Level, &moved.collect::<Vec<_>>()));
    }
    let statistic = distribution.statistic;
    let words = format!("{} of both engines", statistic.name());
    Plot {
        words: &words,
        x: if distribution.cumulative {
            statistic.name()
        } else {
            "class"
        },
        y: if distribution.cumulative {
            "share below"
        } else {
            "share"
        },
        scale: if distribution.cumulative {
            Scale::Linear
        } else {
            Scale::Log
        },
        curves,
    }
    .svg()
}
