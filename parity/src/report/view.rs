//! What the HTML templates are given: strings that are ready to be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use super::format::{number, unit};
use super::json::{CaseReport, MelPicture, MetricInfo, Report, Sound};
use crate::diff::audio::{AudioDiff, Levels};
use crate::diff::text::{Side, TextDiff};
use crate::diff::tokens::{Edit, TokenDiff};
use crate::judge::{Cell, Check, Detail, Origin, StageOutcome, ValueOutcome, Verdict};
use crate::metric::{Direction, Metric};
use crate::stage::Feed;

/// A verdict as a class, a symbol and words: never by colour alone.
#[derive(Serialize)]
pub(super) struct Mark {
    class: &'static str,
    symbol: &'static str,
    words: String,
}

impl Mark {
    fn of(verdict: Verdict, origin: Option<Origin>) -> Self {
        let symbol = match (verdict, origin) {
            (Verdict::Pass, _) => "✓",
            (Verdict::Skipped, _) => "–",
            (Verdict::Missing, _) => "?",
            (Verdict::Fail, Some(Origin::Inherited)) => "↳",
            (Verdict::Fail, _) => "✗",
            (Verdict::Stale, _) => "≠",
            (Verdict::Damaged, _) => "⚡",
        };
        let words = match origin {
            Some(Origin::Introduced) => "fail, introduced here".into(),
            Some(Origin::Inherited) => "fail, inherited".into(),
            None => verdict.name().to_owned(),
        };
        Self {
            class: verdict.name(),
            symbol,
            words,
        }
    }

    fn none() -> Self {
        Self {
            class: "none",
            symbol: "·",
            words: "does not apply".into(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Matrix {
    stages: Vec<String>,
    rows: Vec<MatrixRow>,
}

#[derive(Serialize)]
struct MatrixRow {
    case: String,
    mark: Mark,
    cells: Vec<MatrixCell>,
}

#[derive(Serialize)]
struct MatrixCell {
    stage: String,
    first: bool,
    isolated: Mark,
    cascaded: Mark,
}

pub(super) fn matrix(report: &Report) -> Matrix {
    let row = |case: &CaseReport| {
        let outcome = &case.outcome;
        let cell = |info: &super::json::StageInfo| {
            let stage = outcome.stages.iter().find(|s| s.stage == info.stage);
            let mark = |feed| {
                let cell = stage.and_then(|s| s.cell(feed));
                cell.map_or_else(Mark::none, |c| Mark::of(c.verdict, c.origin))
            };
            MatrixCell {
                stage: info.stage.to_string(),
                first: outcome.first_introduced == Some(info.stage),
                isolated: mark(Feed::Isolated),
                cascaded: mark(Feed::Cascaded),
            }
        };
        MatrixRow {
            case: outcome.name.clone(),
            mark: Mark::of(outcome.verdict, None),
            cells: report.stages.iter().map(cell).collect(),
        }
    };
    Matrix {
        stages: report.stages.iter().map(|s| s.stage.to_string()).collect(),
        rows: report.cases.iter().map(row).collect(),
    }
}

#[derive(Serialize)]
pub(super) struct Case {
    name: String,
    mark: Mark,
    problem: Option<String>,
    first: Option<String>,
    inputs: Vec<(&'static str, String)>,
    reproduce: String,
    texts: Vec<Vec<TextRun>>,
    tokens: Vec<Tokens>,
    mels: Vec<Mel>,
    sounds: Vec<Player>,
    stages: Vec<Stage>,
}

pub(super) fn case(report: &Report, case: &CaseReport) -> Case {
    let outcome = &case.outcome;
    let mut inputs = Vec::new();
    if let Some(c) = &outcome.case {
        inputs.push(("mode", c.mode.name().to_owned()));
        inputs.push(("text", c.text.clone()));
        inputs.extend(c.prompt_text.iter().map(|t| ("prompt text", t.clone())));
        inputs.extend(c.instruct.iter().map(|t| ("instruction", t.clone())));
        inputs.push(("prompt recording", c.prompt_wav.display().to_string()));
        inputs.extend(
            c.source_wav
                .iter()
                .map(|w| ("source recording", w.display().to_string())),
        );
        inputs.push(("seed", c.seed.to_string()));
        inputs.push(("streaming", if c.stream { "yes" } else { "no" }.into()));
        inputs.push(("speed", c.speed.to_string()));
    }
    Case {
        name: outcome.name.clone(),
        mark: Mark::of(outcome.verdict, None),
        problem: outcome.problem.clone(),
        first: outcome.first_introduced.map(|s| s.to_string()),
        inputs,
        reproduce: case.reproduce.clone(),
        texts: texts(&outcome.stages),
        tokens: tokens(&outcome.stages),
        mels: case.mels.iter().filter_map(mel).collect(),
        sounds: case.sounds.iter().filter_map(sound).collect(),
        stages: outcome
            .stages
            .iter()
            .flat_map(|s| stages(report, s))
            .collect(),
    }
}

#[derive(Serialize)]
struct TextRun {
    class: &'static str,
    text: String,
}

/// The texts that differ; those of the run from end to end where none does.
fn texts(stages: &[StageOutcome]) -> Vec<Vec<TextRun>> {
    let diffs = details(stages)
        .into_iter()
        .filter_map(|(_, _, detail)| match detail {
            Detail::Text(diff) => Some(diff),
            _ => None,
        });
    let diffs: Vec<_> = diffs.collect();
    let differs = |d: &&&TextDiff| d.pairs.iter().any(|p| !p.same);
    let shown = diffs.iter().find(differs).or(diffs.last());
    shown.map(|d| text_runs(d)).unwrap_or_default()
}

fn text_runs(diff: &TextDiff) -> Vec<Vec<TextRun>> {
    let class = |side| match side {
        Side::Both => "both",
        Side::Reference => "reference",
        Side::Candidate => "candidate",
    };
    let run = |r: &crate::diff::text::Run| TextRun {
        class: class(r.side),
        text: r.text.clone(),
    };
    diff.pairs
        .iter()
        .map(|p| p.runs.iter().map(run).collect())
        .collect()
}

fn details(stages: &[StageOutcome]) -> Vec<(Feed, &ValueOutcome, &Detail)> {
    let cells = stages.iter().flat_map(StageOutcome::cells);
    let values = cells.flat_map(|(feed, cell)| cell.values.iter().map(move |v| (feed, v)));
    values
        .filter_map(|(feed, v)| Some((feed, v, v.detail.as_ref()?)))
        .collect()
}

#[derive(Serialize)]
struct Tokens {
    name: String,
    reference_len: usize,
    candidate_len: usize,
    mismatch: Option<String>,
    steps: Vec<TokenStep>,
}

#[derive(Serialize)]
struct TokenStep {
    class: &'static str,
    words: String,
    len: usize,
}

fn tokens(stages: &[StageOutcome]) -> Vec<Tokens> {
    let mut all = Vec::new();
    for (feed, value, detail) in details(stages) {
        let Detail::Tokens { lists } = detail else {
            continue;
        };
        for (i, list) in lists.iter().enumerate() {
            let part = if lists.len() > 1 {
                format!(" list {i}")
            } else {
                String::new()
            };
            all.push(token_list(
                format!("{}{part}, {}", value.key, feed.name()),
                list,
            ));
        }
    }
    all
}

fn token_list(name: String, list: &TokenDiff) -> Tokens {
    let token = |t: Option<i64>| t.map_or("the end".into(), |t| t.to_string());
    let mismatch = list.first_mismatch.as_ref().map(|m| {
        let mut text = format!(
            "first mismatch at {}: {} instead of {}",
            m.position,
            token(m.candidate),
            token(m.reference)
        );
        if let Some(c) = &m.choice {
            text += &format!(
                "; the reference ranks its own {} and this one {}, {} apart in logits",
                c.reference_rank + 1,
                c.candidate_rank + 1,
                number(c.margin)
            );
        }
        text
    });
    let step = |s: &crate::diff::tokens::Step| {
        let (class, word) = match s.edit {
            Edit::Keep => ("both", "kept"),
            Edit::Replace => ("replaced", "replaced"),
            Edit::Delete => ("reference", "only in the reference"),
            Edit::Insert => ("candidate", "only in the candidate"),
        };
        TokenStep {
            class,
            words: format!("{} {word}", s.len),
            len: s.len,
        }
    };
    Tokens {
        name,
        reference_len: list.reference_len,
        candidate_len: list.candidate_len,
        mismatch,
        steps: list.alignment.iter().map(step).collect(),
    }
}

#[derive(Serialize)]
struct Mel {
    segment: usize,
    feed: &'static str,
    low: String,
    high: String,
    reference: String,
    candidate: String,
    difference: Option<(String, String)>,
}

fn mel(picture: &MelPicture) -> Option<Mel> {
    let difference = picture.difference.as_ref();
    Some(Mel {
        segment: picture.segment,
        feed: picture.feed.name(),
        low: number(picture.reference.low.0),
        high: number(picture.reference.high.0),
        reference: picture.reference.png()?,
        candidate: picture.candidate.png()?,
        difference: difference.and_then(|d| Some((d.png()?, number(d.high.0)))),
    })
}

#[derive(Serialize)]
pub(super) struct Player {
    label: String,
    seconds: String,
    uri: String,
}

/// None if the report was tampered with: what goes into the page unescaped must be base64.
pub(super) fn sound(sound: &Sound) -> Option<Player> {
    let wav = BASE64.decode(&sound.wav).ok()?;
    Some(Player {
        label: sound.label.clone(),
        seconds: number(sound.seconds),
        uri: format!("data:audio/wav;base64,{}", BASE64.encode(wav)),
    })
}

#[derive(Serialize)]
struct Stage {
    name: String,
    feed: &'static str,
    description: String,
    fed: String,
    mark: Mark,
    reason: Option<String>,
    open: bool,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    key: String,
    mark: Mark,
    reason: Option<String>,
    checks: Vec<Limit>,
    measures: Vec<Measure>,
    curve: Option<Curve>,
}

#[derive(Serialize)]
struct Limit {
    label: &'static str,
    meaning: &'static str,
    mark: Mark,
    value: String,
    limit: String,
    headroom: String,
    reason: String,
}

#[derive(Serialize)]
struct Measure {
    label: &'static str,
    meaning: &'static str,
    value: String,
}

/// A small curve over time.
#[derive(Serialize)]
struct Curve {
    words: String,
    points: String,
}

fn stages(report: &Report, stage: &StageOutcome) -> Vec<Stage> {
    let info = report.stages.iter().find(|i| i.stage == stage.stage);
    let row = |(feed, cell): (Feed, &Cell)| Stage {
        name: stage.stage.to_string(),
        feed: feed.name(),
        description: info.map(|i| i.description.clone()).unwrap_or_default(),
        fed: match feed {
            Feed::Isolated => info.map(|i| i.isolated_input.clone()).unwrap_or_default(),
            Feed::Cascaded => "what the candidate's own stages handed out".into(),
        },
        mark: Mark::of(cell.verdict, cell.origin),
        reason: cell.reason.clone(),
        open: matches!(cell.verdict, Verdict::Fail | Verdict::Missing),
        values: cell.values.iter().map(value).collect(),
    };
    stage.cells().map(row).collect()
}

fn value(value: &ValueOutcome) -> Value {
    let measure = |(&metric, v): (&Metric, &crate::metric::Value)| Measure {
        label: metric.definition().label,
        meaning: metric.definition().meaning,
        value: format!("{}{}", number(v.0), unit(metric)),
    };
    Value {
        key: value.key.to_string(),
        mark: Mark::of(value.verdict, None),
        reason: value.reason.clone(),
        checks: value.checks.iter().map(limit).collect(),
        measures: value.measures.iter().map(measure).collect(),
        curve: value.detail.as_ref().and_then(detail_curve),
    }
}

fn limit(check: &Check) -> Limit {
    let definition = check.metric.definition();
    let unit = unit(check.metric);
    let bound = |word: &str, l: Option<crate::metric::Value>| {
        l.map(|l| format!("{word} {}{unit}", number(l.0)))
    };
    let bounds = [bound("≤", check.at_most), bound("≥", check.at_least)];
    let headroom = check
        .headroom
        .map_or_else(String::new, |h| match definition.unit {
            "dB" => format!("{} dB", number(h.0)),
            _ => format!("{} %", number((h.0 * 1000.0).round() / 10.0)),
        });
    let exact = check.at_most.is_some_and(|l| l.0 == 0.0);
    Limit {
        label: definition.label,
        meaning: definition.meaning,
        mark: Mark::of(
            if check.passed {
                Verdict::Pass
            } else {
                Verdict::Fail
            },
            None,
        ),
        value: check
            .value
            .map_or("not measured".into(), |v| format!("{}{unit}", number(v.0))),
        limit: bounds.into_iter().flatten().collect::<Vec<_>>().join(", "),
        headroom: match (check.by_floor, exact) {
            (true, _) => "below the floor".into(),
            (false, true) => String::new(),
            (false, false) => headroom,
        },
        reason: check.reason.clone(),
    }
}

fn detail_curve(detail: &Detail) -> Option<Curve> {
    match detail {
        Detail::Tensor(t) => curve("RMS error along time", &t.error_over_time),
        Detail::Logits(l) => {
            let kl: Vec<f32> = l.kl.iter().map(|k| k.1).collect();
            curve("KL divergence along the tokens", &kl)
        }
        _ => None,
    }
}

/// A polyline in a box of 240 × 32, from zero at the bottom to the largest value.
fn curve(what: &str, values: &[f32]) -> Option<Curve> {
    let most = values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .reduce(f32::max)?;
    if values.len() < 2 {
        return None;
    }
    let scale = if most > 0.0 { 30.0 / most } else { 0.0 };
    let point = |(i, &v): (usize, &f32)| {
        let x = 240.0 * i as f32 / (values.len() - 1) as f32;
        let y = if v.is_finite() { 31.0 - v * scale } else { 0.0 };
        format!("{x:.1},{y:.1}")
    };
    Some(Curve {
        words: format!("{what}, largest {}", number(f64::from(most))),
        points: values
            .iter()
            .enumerate()
            .map(point)
            .collect::<Vec<_>>()
            .join(" "),
    })
}

#[derive(Serialize)]
pub(super) struct Definition {
    label: String,
    range: String,
    direction: &'static str,
    meaning: String,
    blind: bool,
}

pub(super) fn metric(info: &MetricInfo) -> Definition {
    Definition {
        label: info.label.clone(),
        range: format!(
            "{} to {}{}",
            number(info.low.0),
            number(info.high.0),
            unit(info.metric)
        ),
        direction: match info.direction {
            Direction::Lower => "lower is better",
            Direction::Higher => "higher is better",
            Direction::One => "1 is best",
        },
        meaning: info.meaning.clone(),
        blind: info.gain_blind,
    }
}

/// Rows of what two sounds are like: the name, the reference's value, the candidate's.
pub(super) fn levels(diff: &AudioDiff) -> Vec<(&'static str, String, String)> {
    let row = |name, f: fn(&Levels) -> String| (name, f(&diff.reference), f(&diff.candidate));
    vec![
        row("duration", |l| format!("{} s", number(l.seconds))),
        row("samples", |l| l.samples.to_string()),
        row("RMS level", |l| number(l.rms.0)),
        row("peak", |l| number(l.peak.0)),
        row("DC", |l| number(l.dc.0)),
        row("clipped samples", |l| l.clipped.to_string()),
        row("silent", |l| {
            format!("{} %", number((l.silence * 1000.0).round() / 10.0))
        }),
        row("not finite", |l| l.non_finite.to_string()),
    ]
}
