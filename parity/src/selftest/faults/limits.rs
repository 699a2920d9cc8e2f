use crate::exit::Exit;
use crate::judge::{Floor, Limit, Tolerances};
use crate::metric::Metric;
use crate::selftest::fault::{Expected, Fault};

/// Changes every limit of some metrics.
fn limits(tolerances: &mut Tolerances, metrics: &[Metric], change: impl Fn(&mut Limit)) {
    let all = tolerances.limits.iter_mut();
    all.filter(|l| metrics.contains(&l.metric)).for_each(change);
}

const NOISE: &[Metric] = &[Metric::NoiseRatio, Metric::NoiseRatioP999];

fn most(tolerances: &mut Tolerances, metrics: &[Metric], bound: f64) {
    limits(tolerances, metrics, |l| l.at_most = Some(bound));
}

fn floor(tolerances: &mut Tolerances, bound: f64) {
    limits(tolerances, NOISE, |l| {
        l.floor = Some(Floor {
            metric: Metric::NmseDb,
            at_most: bound,
        });
    });
}

pub(super) const FAULTS: &[Fault] = &[
    Fault::limits(Expected::Refused("infinite"), "infinite limits", |t| {
        most(t, NOISE, f64::INFINITY)
    }),
    Fault::limits(
        Expected::Refused("not a number"),
        "limits that are no number",
        |t| most(t, NOISE, f64::NAN),
    ),
    Fault::limits(Expected::Refused("infinite"), "infinite floors", |t| {
        floor(t, f64::INFINITY)
    }),
    Fault::limits(
        Expected::Refused("not a number"),
        "floors that are no number",
        |t| floor(t, f64::NAN),
    ),
    Fault::limits(
        Expected::Refused("as large as the signal"),
        "floors that excuse an error as large as the signal",
        |t| floor(t, 0.0),
    ),
    Fault::limits(
        Expected::Refused("out of the range"),
        "negative limits",
        |t| most(t, NOISE, -1.0),
    ),
    Fault::limits(
        Expected::Refused("never counts"),
        "limits that a later one undoes",
        |t| {
            let later: Vec<_> = t.limits.clone();
            t.limits.extend(later);
        },
    ),
    Fault::limits(
        Expected::Refused("nothing can be judged"),
        "no limit at all",
        |t| t.limits.clear(),
    ),
    Fault::limits(
        Expected::Exit(Exit::Failed),
        "limits of another device alone",
        |t| {
            let all = t.limits.iter_mut();
            all.for_each(|l| l.device = Some("metal".into()));
        },
    ),
    Fault::limits(
        Expected::LetThrough,
        "limits of a billion times the noise",
        |t| most(t, NOISE, 1e9),
    ),
    Fault::limits(
        Expected::LetThrough,
        "floors that excuse an error of half the signal",
        |t| floor(t, -1.0),
    ),
    Fault::limits(
        Expected::LetThrough,
        "limits that allow one wrong token",
        |t| most(t, &[Metric::EditDistance], 1.0),
    ),
    Fault::limits(
        Expected::LetThrough,
        "limits that allow one wrong character",
        |t| most(t, &[Metric::TextEdits], 1.0),
    ),
];
