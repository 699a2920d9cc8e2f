use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use crate::diff::audio::{AudioDiff, Levels};
use crate::diff::text::{Run, Side, TextDiff};
use crate::diff::tokens::{Edit, Mismatch, Step, TokenDiff, Whose};
use crate::format::number;
use crate::judge::{Detail, StageOutcome, ValueOutcome};
use crate::report::model::{Sound, TokenLists};
use crate::stage::Feed;

/// A piece of text, and which sides have it.
#[derive(Serialize)]
pub(super) struct TextRun {
    class: &'static str,
    text: String,
}

/// The texts that differ, or those of the cascaded recording if none does.
pub(super) fn texts(stages: &[StageOutcome]) -> Vec<Vec<TextRun>> {
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
    let run = |r: &Run| TextRun {
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

/// A token list of the reference, and the alignment of each of the candidate's lists with it.
#[derive(Serialize)]
pub(super) struct Tokens {
    name: String,
    reference_len: usize,
    /// Lengths of the isolated and the cascaded list, if there is one.
    lens: [Option<usize>; 2],
    /// Whether every list of the candidate equals the reference's.
    identical: bool,
    differences: Vec<Difference>,
}

/// How a list of the candidate differs from the reference's.
#[derive(Serialize)]
struct Difference {
    feed: &'static str,
    name: String,
    mismatch: String,
    steps: Vec<TokenStep>,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct TokenStep {
    class: &'static str,
    words: String,
    len: usize,
}

/// One position of an alignment: the token of each side.
#[derive(Serialize)]
struct Column {
    class: &'static str,
    symbol: &'static str,
    reference: Option<i64>,
    candidate: Option<i64>,
}

/// Maximum number of columns written out; the strip above them shows the whole alignment.
const COLUMNS: usize = 400;

/// Every token list: its lengths, and its alignment if it differs.
pub(super) fn tokens(stages: &[StageOutcome], lists: &[TokenLists]) -> Vec<Tokens> {
    let mut all: Vec<Tokens> = Vec::new();
    for (feed, value, detail) in details(stages) {
        let Detail::Tokens { lists: diffs } = detail else {
            continue;
        };
        let ids = lists.iter().find(|l| l.key == value.key && l.feed == feed);
        for (i, diff) in diffs.iter().enumerate() {
            let part = match (diffs.len(), i) {
                (1, _) => String::new(),
                (_, 0) => " prompt".into(),
                (_, i) => format!(" segment {}", i - 1),
            };
            let name = format!("{}{part}", value.key);
            let row = match all.iter().position(|t| t.name == name) {
                Some(row) => row,
                None => {
                    all.push(Tokens {
                        name,
                        reference_len: diff.reference_len,
                        lens: [None; 2],
                        identical: true,
                        differences: Vec::new(),
                    });
                    all.len() - 1
                }
            };
            all[row].add(feed, diff, ids);
        }
    }
    all
}

impl Tokens {
    fn add(&mut self, feed: Feed, diff: &TokenDiff, ids: Option<&TokenLists>) {
        self.lens[usize::from(feed == Feed::Cascaded)] = Some(diff.candidate_len);
        let Some(mismatch) = &diff.first_mismatch else {
            return;
        };
        self.identical = false;
        let step = |s: &Step| {
            let (class, _, word) = edit(s.edit);
            TokenStep {
                class,
                words: format!("{} {word}", s.len),
                len: s.len,
            }
        };
        self.differences.push(Difference {
            feed: feed.name(),
            name: self.name.clone(),
            mismatch: first_mismatch(mismatch),
            steps: diff.alignment.iter().map(step).collect(),
            columns: ids
                .map(|ids| columns(&diff.alignment, ids))
                .unwrap_or_default(),
        });
    }
}

fn first_mismatch(mismatch: &Mismatch) -> String {
    let token = |t: Option<i64>| t.map_or("the end".into(), |t| t.to_string());
    let mut text = format!(
        "first mismatch at {}: {} instead of {}",
        mismatch.position,
        token(mismatch.candidate),
        token(mismatch.reference)
    );
    if let Some(c) = &mismatch.choice {
        let whose = match c.logits {
            Whose::Reference => "reference",
            Whose::Candidate => "candidate",
        };
        text += &format!(
            "; the {whose}'s logits rank the reference's token {} and this one {}, {} apart",
            c.reference_rank + 1,
            c.candidate_rank + 1,
            number(c.margin)
        );
    }
    if let Some(draw) = &mismatch.draw {
        let (len, margin) = (draw.nucleus_len, number(draw.margin()));
        text += &format!("; drawn from a nucleus of {len}, {margin} from another token");
    }
    text
}

/// The class, symbol and description of an edit.
fn edit(edit: Edit) -> (&'static str, &'static str, &'static str) {
    match edit {
        Edit::Keep => ("both", "=", "the same"),
        Edit::Replace => ("replaced", "≠", "replaced"),
        Edit::Delete => ("reference", "−", "only in the reference"),
        Edit::Insert => ("candidate", "+", "only in the candidate"),
    }
}

fn columns(alignment: &[Step], ids: &TokenLists) -> Vec<Column> {
    let edits = alignment
        .iter()
        .flat_map(|s| std::iter::repeat_n(s.edit, s.len));
    let (mut r, mut c) = (ids.reference.iter().copied(), ids.candidate.iter().copied());
    let column = |e: Edit| {
        let (class, symbol, _) = edit(e);
        Column {
            class,
            symbol,
            reference: if e == Edit::Insert { None } else { r.next() },
            candidate: if e == Edit::Delete { None } else { c.next() },
        }
    };
    edits.map(column).take(COLUMNS).collect()
}

/// The sound of both sides, to be decoded, drawn and played by the page.
#[derive(Serialize)]
pub(in crate::report) struct Player {
    rate: u32,
    samples: usize,
    start: f64,
    seconds: String,
    reference_seconds: String,
    candidate_seconds: String,
    /// Start and end in seconds, if this is an excerpt.
    cut: Option<(String, String)>,
    silent_candidate: bool,
    flac: String,
}

/// None if the sound is not valid base64, which must not get into the page.
pub(in crate::report) fn player(sound: &Sound) -> Option<Player> {
    let flac = BASE64.decode(&sound.flac).ok()?;
    let seconds = |samples: usize| samples as f64 / f64::from(sound.rate.max(1));
    let whole = sound.reference_samples.max(sound.candidate_samples);
    let start = seconds(sound.start);
    let end = start + seconds(sound.samples);
    Some(Player {
        rate: sound.rate,
        samples: sound.samples,
        start,
        seconds: number(seconds(sound.samples)),
        reference_seconds: number(seconds(sound.reference_samples)),
        candidate_seconds: number(seconds(sound.candidate_samples)),
        cut: (sound.samples < whole).then(|| (number(start), number(end))),
        silent_candidate: sound.candidate_samples == 0,
        flac: BASE64.encode(flac),
    })
}

/// Levels of two sounds: the name, the reference's value, the candidate's value.
pub(in crate::report) fn levels(diff: &AudioDiff) -> Vec<(&'static str, String, String)> {
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
