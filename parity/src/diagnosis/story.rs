use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::sampling::Place;
use super::tokens::Parting;
use crate::format::number;
use crate::judge::explain;
use crate::metric::Metric;
use crate::recording::{CaseRecord, SAMPLE_RATE};
use crate::stage::{Key, Stage};

/// Speech tokens of a second.
const TOKENS_PER_SECOND: f64 = 25.0;
/// Longest description of a stage that is not told token by token, in characters.
const LONGEST: usize = 160;

/// What happened in a case that failed, in a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Story {
    /// The stage in which it begins.
    pub stage: Stage,
    /// The sentence, without the case's name.
    pub words: String,
}

impl Story {
    pub(super) fn of(evidence: &Evidence<'_>) -> Option<Self> {
        let stage = evidence.first()?;
        let words = match stage {
            Stage::LlmTokens | Stage::LlmStop | Stage::LlmTokensKept | Stage::Speech => {
                tokens(evidence).or_else(|| length(evidence))
            }
            _ => None,
        };
        let words = words.or_else(|| {
            let (feed, cell) = evidence.failing_cell(stage)?;
            let off = evidence
                .worst(stage, Metric::NmseDb)
                .filter(|db| db.is_finite());
            let off = off.map_or_else(String::new, |db| {
                format!("off by {} dB of itself; ", number(db.round()))
            });
            let why: String = explain(cell).chars().take(LONGEST).collect();
            Some(format!("{stage} {}, {off}{why}", feed.name()))
        })?;
        Some(Self { stage, words })
    }
}

/// How many tokens, and where the first different one stands.
fn tokens(evidence: &Evidence<'_>) -> Option<String> {
    let segments = 0..evidence.golden.segments();
    let (mut ours, mut theirs) = (0, 0);
    let mut parting = None;
    for segment in segments {
        let (r, c) = evidence.ids(&Key::segment(Stage::LlmTokens, segment))?;
        (ours, theirs) = (ours + r.len(), theirs + c.len());
        let parts = Parting::of(evidence, segment).map(|p| (segment, p));
        parting = parting.or(parts);
    }
    let (segment, parting) = parting?;
    let mut words = format!("{theirs} tokens for {ours}");
    if evidence.golden.segments() > 1 {
        words += &format!(" in {} segments", evidence.golden.segments());
    }
    words += &format!(", {}", seconds(evidence, ours, theirs));
    let place = match evidence.golden.segments() {
        1 => String::new(),
        _ => format!(" of segment {segment}"),
    };
    words += &format!(
        "; first differs at token {}{place} (counted from 0)",
        parting.position
    );
    let (r, c) = (
        parting.reference.get(parting.position),
        parting.candidate.get(parting.position),
    );
    words += &match (r, c) {
        (_, Some(token)) => {
            let rank = parting.standing.map(|s| {
                let nucleus = s.nucleus();
                let inside = match s.place() {
                    Place::Inside => "inside",
                    _ => "outside",
                };
                let rank = s.rank + 1;
                format!(" (rank {rank}, {inside} the reference's nucleus of {nucleus})")
            });
            let rank = rank.unwrap_or_default();
            let own = match r {
                Some(r) => format!("the reference drew {r}"),
                None => "the reference ends".to_owned(),
            };
            let drew = if parting.skips_the_end() {
                "has"
            } else {
                "drew"
            };
            format!(", where {own} and the candidate {drew} token {token}{rank}")
        }
        (Some(r), None) => format!(", where the candidate ends and the reference drew {r}"),
        (None, None) => String::new(),
    };
    let ends = parting.ends();
    if !ends.is_empty() {
        words += &format!("; {ends}");
    }
    Some(words)
}

/// The same number of tokens, or none recorded: what is kept, and how long it sounds.
fn length(evidence: &Evidence<'_>) -> Option<String> {
    let segments = 0..evidence.golden.segments();
    let kept = segments.map(|s| evidence.ids(&Key::segment(Stage::LlmTokensKept, s)));
    let kept: Option<Vec<_>> = kept.collect();
    let kept = kept.filter(|lists| lists.iter().any(|(r, c)| r.len() != c.len()));
    if let Some(lists) = kept {
        let ours: usize = lists.iter().map(|(r, _)| r.len()).sum();
        let theirs: usize = lists.iter().map(|(_, c)| c.len()).sum();
        let seconds = seconds(evidence, ours, theirs);
        return Some(format!("{theirs} tokens kept for {ours}, {seconds}"));
    }
    let more = sound_difference(evidence).filter(|s| s.abs() >= 0.001)?;
    let seconds = |record: &CaseRecord| record.audio.len() as f64 / f64::from(SAMPLE_RATE);
    let (ours, theirs) = (seconds(evidence.golden), seconds(evidence.candidate));
    let more = signed(more);
    Some(format!(
        "{theirs:.2} s of sound for {ours:.2} s, {more}; its tokens are not recorded or the same"
    ))
}

/// How much longer it sounds, or would by its tokens where one side has no sound.
fn seconds(evidence: &Evidence<'_>, ours: usize, theirs: usize) -> String {
    match sound_difference(evidence) {
        Some(more) => signed(more),
        None => {
            let more = (theirs as f64 - ours as f64) / TOKENS_PER_SECOND;
            format!("{} by its tokens", signed(more))
        }
    }
}

fn sound_difference(evidence: &Evidence<'_>) -> Option<f64> {
    let (r, c) = (&evidence.golden.audio, &evidence.candidate.audio);
    let both = !(r.is_empty() || c.is_empty());
    both.then(|| (c.len() as f64 - r.len() as f64) / f64::from(SAMPLE_RATE))
}

fn signed(seconds: f64) -> String {
    let sign = if seconds < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2} s", seconds.abs())
}
