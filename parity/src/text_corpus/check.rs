use std::collections::BTreeMap;
use std::num::NonZero;

use native::Error;
use native::text::TextFrontend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::corpus::{CorpusPart, Line};
use super::{Agreement, Corpus, Disagreement, FrontendSetting, NativeFrontends, check_line};
use crate::shard::Shard;

/// Maximum disagreements listed in a summary.
const EXAMPLES: usize = 10;
/// Maximum characters of a text shown in a list.
const SHOWN: usize = 80;

/// How far the native frontend agrees with the recorded outputs of the reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The seal of the corpus's manifest. Empty in reports of older programs.
    #[serde(default)]
    pub corpus: String,
    /// Lines recorded: those compared and those on which the reference raised an exception.
    pub lines: usize,
    /// Lines that the reference answered.
    pub compared: usize,
    /// Compared lines with the same normalised text, segments and ids.
    pub agreed: usize,
    /// Lines that differ. A line that the reference fails on counts if the native frontend gives
    /// another reason or no reason.
    pub differing: usize,
    /// The first lines that differ.
    pub examples: Vec<Example>,
    /// Lines on which the reference raised an exception, by its name.
    pub reference_failures: BTreeMap<String, usize>,
    /// All lines on which the reference raised an exception.
    pub failures: Vec<Failure>,
    /// The numbers by setting.
    pub settings: Vec<SettingSummary>,
}

/// The numbers of one part of the corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingSummary {
    /// The part.
    pub name: String,
    /// The frontends' setting, in words.
    pub setting: String,
    /// Lines recorded.
    pub lines: usize,
    /// Lines that the reference answered.
    pub compared: usize,
    /// Compared lines with the same output.
    pub agreed: usize,
    /// Lines that differ.
    pub differing: usize,
}

/// A line that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// The part.
    pub part: String,
    /// The line's number in the part, counted from 1. 0 in reports of older programs.
    #[serde(default)]
    pub number: usize,
    /// The location of the text, as `FILE:LINE`.
    pub place: String,
    /// The beginning of the text.
    pub text: String,
    /// The first difference.
    pub difference: Disagreement,
}

/// A line on which the reference raises an exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The part.
    pub part: String,
    /// The line's number in the part, counted from 1. 0 in reports of older programs.
    #[serde(default)]
    pub number: usize,
    /// The location of the text, as `FILE:LINE`.
    pub place: String,
    /// The beginning of the text.
    pub text: String,
    /// The exception's name.
    pub raised: String,
    /// The native frontend's warning.
    pub warning: String,
}

impl Summary {
    /// Whether lines were compared and none differs.
    pub fn agrees(&self) -> bool {
        self.compared > 0 && self.differing == 0
    }

    /// What two shards found in the same corpus, as one.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.lines += other.lines;
        self.compared += other.compared;
        self.agreed += other.agreed;
        self.differing += other.differing;
        for (name, count) in other.reference_failures {
            *self.reference_failures.entry(name).or_default() += count;
        }
        for (setting, more) in self.settings.iter_mut().zip(other.settings) {
            setting.lines += more.lines;
            setting.compared += more.compared;
            setting.agreed += more.agreed;
            setting.differing += more.differing;
        }
        let parts = self.settings.iter().map(|s| s.name.clone());
        let order: BTreeMap<_, _> = parts.zip(0..).collect();
        self.examples.extend(other.examples);
        self.examples
            .sort_by_key(|e| (order.get(&e.part).copied(), e.number));
        self.examples.truncate(EXAMPLES);
        self.failures.extend(other.failures);
        self.failures
            .sort_by_key(|f| (order.get(&f.part).copied(), f.number));
        self
    }

    fn add(&mut self, part: &CorpusPart, lines: &[&Line], agreements: Vec<Agreement>) {
        let mut numbers = SettingSummary {
            name: part.name.clone(),
            setting: part.setting.to_string(),
            lines: lines.len(),
            compared: 0,
            agreed: 0,
            differing: 0,
        };
        for (line, agreement) in lines.iter().zip(agreements) {
            let raised = match &line.outcome {
                super::Outcome::Raised(kind) => Some(kind),
                super::Outcome::Answered(_) => None,
            };
            match raised {
                Some(kind) => *self.reference_failures.entry(kind.clone()).or_default() += 1,
                None => numbers.compared += 1,
            }
            let text = beginning(&line.text);
            let (part, number, place) = (part.name.clone(), line.number, line.place.clone());
            match agreement {
                Agreement::Same => numbers.agreed += 1,
                Agreement::BothFail { raised, warning } => self.failures.push(Failure {
                    part,
                    number,
                    place,
                    text,
                    raised,
                    warning,
                }),
                Agreement::Differs(difference) => {
                    numbers.differing += 1;
                    if self.examples.len() < EXAMPLES {
                        self.examples.push(Example {
                            part,
                            number,
                            place,
                            text,
                            difference,
                        });
                    }
                }
            }
        }
        self.lines += numbers.lines;
        self.compared += numbers.compared;
        self.agreed += numbers.agreed;
        self.differing += numbers.differing;
        self.settings.push(numbers);
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.agrees() { "pass" } else { "FAIL" };
        let failed = self.lines.saturating_sub(self.compared);
        write!(
            f,
            "recorded texts           {}/{} {verdict}, and {failed} that the reference fails on",
            self.agreed, self.compared
        )
    }
}

fn beginning(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SHOWN).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Compares the native frontends with every recorded line, or with those of a shard.
///
/// # Errors
/// If a frontend cannot be loaded.
pub fn check(
    corpus: &Corpus,
    frontends: &mut NativeFrontends<'_>,
    shard: Option<Shard>,
) -> Result<Summary, Error> {
    let mut summary = Summary {
        corpus: corpus.manifest.seal.clone(),
        ..Summary::default()
    };
    let parts = shard.map(|shard| (shard, corpus.cut(shard.of)));
    let mut position = 0..;
    for part in &corpus.parts {
        let ours = part.lines.iter().zip(&mut position).filter(|(_, at)| {
            let parts = parts.as_ref();
            parts.is_none_or(|(shard, parts)| parts.has(*shard, *at))
        });
        let lines: Vec<_> = ours.map(|(line, _)| line).collect();
        let agreements = match lines.is_empty() {
            true => Vec::new(),
            false => agreements(frontends.of(part.setting)?, part.setting, &lines),
        };
        summary.add(part, &lines, agreements);
    }
    Ok(summary)
}

/// Compares the lines on all processors.
fn agreements(
    frontend: &TextFrontend,
    setting: FrontendSetting,
    lines: &[&Line],
) -> Vec<Agreement> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = lines.len().div_ceil(threads).max(1);
    let one = |line: &&Line| check_line(frontend, setting, &line.text, &line.outcome);
    let many = |lines: &[&Line]| lines.iter().map(one).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let many = &many;
        let running: Vec<_> = lines
            .chunks(share)
            .map(|lines| scope.spawn(move || many(lines)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(agreements) => agreements,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
