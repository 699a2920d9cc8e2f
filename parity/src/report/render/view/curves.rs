use crate::judge::{Detail, StageOutcome, ValueOutcome};
use crate::metric::Metric;
use crate::report::model::Contour;
use crate::report::render::plot::{Curve, Plot, Role, Scale};
use crate::stage::{FLOW_STEPS, Feed, Stage};

/// Positions left empty between two segments.
const GAP: f64 = 4.0;

fn values(stages: &[StageOutcome], stage: Stage, feed: Feed) -> &[ValueOutcome] {
    let stage = stages.iter().find(|s| s.stage == stage);
    stage.and_then(|s| s.cell(feed)).map_or(&[], |c| &c.values)
}

/// KL divergence of the teacher-forced logits along the tokens, one segment after the other.
pub(super) fn divergence(stages: &[StageOutcome]) -> Option<String> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut offset = 0.0;
    for value in values(stages, Stage::LlmLogits, Feed::Isolated) {
        let Some(Detail::Logits(logits)) = &value.detail else {
            continue;
        };
        if let Some(last) = points.last().copied() {
            points.push((last.0 + 1.0, f64::NAN));
            offset = last.0 + GAP;
        }
        points.extend(
            logits
                .kl
                .iter()
                .map(|&(at, kl)| (offset + at as f64, f64::from(kl))),
        );
    }
    let most = points
        .iter()
        .map(|p| p.1)
        .filter(|y| y.is_finite())
        .fold(0.0, f64::max);
    let words = format!(
        "KL divergence of the next-token distributions along the tokens, at most {} nats",
        crate::format::number(most)
    );
    Plot {
        words: &words,
        x: "token",
        y: "KL, nats",
        scale: Scale::Log,
        curves: vec![Curve {
            role: Role::Candidate,
            points,
        }],
    }
    .svg()
}

/// The error of the flow's state after each Euler step in the worst segment: isolated, cascaded,
/// and the reference's own in float32.
pub(super) fn drift(stages: &[StageOutcome]) -> Option<String> {
    let worst = |step: u8, feed: Feed, of: &dyn Fn(&ValueOutcome) -> Option<f64>| {
        let values = values(stages, Stage::FlowStep(step), feed);
        values
            .iter()
            .filter_map(of)
            .reduce(f64::max)
            .unwrap_or(f64::NAN)
    };
    let error = |v: &ValueOutcome| Some(v.measures.get(&Metric::NmseDb)?.0);
    // The noise ratio is the error over the noise, so in dB the noise is their difference.
    let noise = |v: &ValueOutcome| {
        let ratio = v.measures.get(&Metric::NoiseRatio)?.0;
        Some(error(v)? - 20.0 * ratio.log10())
    };
    let along = |feed: Feed, of: &dyn Fn(&ValueOutcome) -> Option<f64>| -> Vec<(f64, f64)> {
        FLOW_STEPS
            .map(|step| (f64::from(step), worst(step, feed, of)))
            .collect()
    };
    let curve = |role, points| Curve { role, points };
    Plot {
        words: "Error of the flow's state after each Euler step, and the reference's own in float32",
        x: "Euler step",
        y: "NMSE, dB",
        scale: Scale::Linear,
        curves: vec![
            curve(Role::Reference, along(Feed::Cascaded, &noise)),
            curve(Role::Other, along(Feed::Isolated, &error)),
            curve(Role::Candidate, along(Feed::Cascaded, &error)),
        ],
    }
    .svg()
}

/// Fundamental frequency of both sides, one segment after the other, with gaps at unvoiced
/// frames.
pub(in crate::report) fn f0(contours: &[Contour]) -> Option<String> {
    const FRAMES_PER_SECOND: f64 = 50.0;
    let mut curves = vec![];
    for (role, side) in [
        (
            Role::Reference,
            (|c: &Contour| &c.reference) as fn(&Contour) -> &Vec<f32>,
        ),
        (Role::Candidate, |c| &c.candidate),
    ] {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut frame = 0.0;
        for contour in contours {
            points.push((frame / FRAMES_PER_SECOND, f64::NAN));
            for &hz in side(contour) {
                let voiced = if hz > 0.0 { f64::from(hz) } else { f64::NAN };
                points.push((frame / FRAMES_PER_SECOND, voiced));
                frame += 1.0;
            }
        }
        curves.push(Curve { role, points });
    }
    Plot {
        words: "Fundamental frequency of the reference and the candidate over time",
        x: "seconds",
        y: "F0, Hz",
        scale: Scale::Linear,
        curves,
    }
    .svg()
}

/// Lengths of the candidate's token lists against the reference's, and the line of equal lengths.
pub(super) fn lengths(pairs: &[(usize, usize)]) -> Option<String> {
    let longest = pairs.iter().map(|&(r, c)| r.max(c)).max()? as f64;
    let dots = pairs.iter().map(|&(r, c)| (r as f64, c as f64)).collect();
    Plot {
        words: "Tokens sampled by the candidate against tokens sampled by the reference, for each list",
        x: "tokens of the reference",
        y: "tokens of the candidate",
        scale: Scale::Linear,
        curves: vec![
            Curve {
                role: Role::Level,
                points: vec![(0.0, 0.0), (longest, longest)],
            },
            Curve {
                role: Role::Dots,
                points: dots,
            },
        ],
    }
    .svg()
}
