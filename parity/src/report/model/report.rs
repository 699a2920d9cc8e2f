use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definitions::{MetricInfo, StageInfo};
use super::evidence::{Contour, MelPicture, Sound, TensorFile, TokenLists};
use super::history::PastRun;
use super::lengths::LengthParity;
use super::limits::LimitsInfo;
use super::recording_info::RecordingInfo;
use super::trend::Trend;
use crate::diagnosis::{Clue, Story};
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Summary};
use crate::layers::LayerReport;
use crate::samples::{DrawsSummary, Verdict};
use crate::shard::Shard;
use crate::text_corpus;

/// Version of the `report.json` that this program writes.
pub const REPORT_VERSION: u32 = 6;

/// The oldest version of `report.json` that can still be read. Version 2 had other names: `deep`,
/// `looks`, `part` and `taps` for layers, `course` for the direction of a change. Neither it nor
/// version 3 says which limits and which cases belong to the run. Version 4 has no stories and clues,
/// no aligned mels and sounds, and always the number of kept tokens. Version 5 has no earlier runs and
/// no files of tensors.
pub const OLDEST_REPORT_VERSION: u32 = 2;

/// Everything that a run found. The page, the table and the JUnit file are made from it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of the format.
    pub version: u32,
    /// Version of the program that wrote the report.
    pub parity_version: String,
    /// When the report was written, as RFC 3339.
    pub made_at: String,
    /// The exit status, in words: `parity`, `parity failed` …
    pub verdict: String,
    /// The exit status.
    pub exit: u8,
    /// The run in numbers.
    pub summary: Summary,
    /// The golden.
    pub golden: RecordingInfo,
    /// SHA-256 of the golden's manifest, if it lies on disk.
    #[serde(default)]
    pub golden_sha256: Option<String>,
    /// The candidate's recordings: isolated, cascaded.
    pub candidates: Vec<RecordingInfo>,
    /// Which share of the cases this is, if they were spread over several runs.
    pub shard: Option<Shard>,
    /// Every case of the run in its order, those of all shards included. Empty in reports of
    /// version 3 and older, which do not say it.
    #[serde(default)]
    pub run_cases: Vec<String>,
    /// Of every case of the run, the number of the shard that it belongs to. Empty in the report of
    /// a whole run, and in those of older programs, whose shards took every n-th case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run_shards: Vec<usize>,
    /// The shards whose reports were not given when the run was merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<Shard>,
    /// The limits. Absent in reports of version 3 and older.
    #[serde(default)]
    pub limits: Option<LimitsInfo>,
    /// What became better or worse since an earlier report, if one was given.
    pub trend: Option<Trend>,
    /// Earlier runs of the same engine over the same cases, oldest first. Empty in reports of version
    /// 5 and older.
    #[serde(default)]
    pub history: Vec<PastRun>,
    /// What the run does not cover.
    pub not_covered: Vec<String>,
    /// The metrics used, with their definitions.
    pub metrics: Vec<MetricInfo>,
    /// The stages of the cases, in order.
    pub stages: Vec<StageInfo>,
    /// How many tokens both sides sampled for every segment.
    #[serde(default)]
    pub length_parity: Option<LengthParity>,
    /// The cases.
    pub cases: Vec<CaseReport>,
    /// The layers of the networks, if the run compared them.
    #[serde(default, alias = "deep", skip_serializing_if = "Option::is_none")]
    pub layers: Option<LayerReport>,
    /// How the text frontend did on the recorded texts, if the run checked them.
    #[serde(default)]
    pub text_corpus: Option<text_corpus::Summary>,
    /// How the candidate's draws of many seeds are distributed, if the run drew them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<DrawsSummary>,
}

impl Report {
    /// The exit status of the run: parity if everything that belongs to it is there and agrees.
    pub fn status(&self) -> Exit {
        let failed_unless = |holds: bool| if holds { Exit::Parity } else { Exit::Failed };
        // A shard may have none of the lines.
        let none = |texts: &text_corpus::Summary| self.shard.is_some() && texts.lines == 0;
        let texts = self.text_corpus.as_ref().filter(|texts| !none(texts));
        let texts = texts.map(text_corpus::Summary::agrees);
        let limits = self
            .limits
            .as_ref()
            .map(|l| l.let_through().next().is_none());
        let parts = [
            Some(self.summary.exit()),
            self.layers.as_ref().map(LayerReport::exit),
            texts.map(failed_unless),
            limits.map(failed_unless),
            self.draws.as_ref().map(draws_exit),
            (!self.missing().is_empty()).then_some(Exit::Incomplete),
        ];
        Exit::of(parts.into_iter().flatten())
    }

    /// What belongs to the run and is not in the report, in words.
    pub fn missing(&self) -> Vec<String> {
        let shards = self.missing_shards.iter().map(Shard::missing);
        let here: BTreeSet<&str> = self.cases.iter().map(|c| &*c.outcome.name).collect();
        let run = self.run_cases.iter().enumerate();
        let expected = run.filter(|(position, _)| {
            let has = |shard: &Shard| self.belongs(*position, *shard);
            self.shard.iter().all(has) && !self.missing_shards.iter().any(has)
        });
        let absent = expected.filter(|(_, name)| !here.contains(&***name));
        let cases = absent.map(|(_, name)| format!("case {name}: the report lacks it"));
        shards.chain(cases).collect()
    }

    /// Whether the case at `position` of the run, counted from 0, belongs to `shard`.
    pub(in crate::report) fn belongs(&self, position: usize, shard: Shard) -> bool {
        match self.run_shards.is_empty() {
            true => position % shard.of.max(1) + 1 == shard.index,
            false => self.run_shards.get(position) == Some(&shard.index),
        }
    }

    /// What is wrong with the run as a whole, whatever its cases say.
    pub fn problems(&self) -> Vec<String> {
        let limits = self.limits.iter().filter_map(LimitsInfo::problem);
        let rest = self.missing().into_iter().chain(limits);
        self.judged_anyway().into_iter().chain(rest).collect()
    }

    /// That stale goldens were judged all the same, which is no verdict.
    fn judged_anyway(&self) -> Option<String> {
        let outcomes = self.cases.iter().map(|c| &c.outcome);
        let anyway = outcomes.filter(|o| !o.stages.is_empty() && o.problem.is_some());
        let reasons: BTreeSet<_> = anyway.filter_map(|o| o.problem.as_deref()).collect();
        let reasons = reasons.into_iter().collect::<Vec<_>>().join("; ");
        (!reasons.is_empty()).then(|| {
            format!("judged although the golden is stale, so this is no verdict: {reasons}")
        })
    }

    /// Adds the layers of the networks, which may change the verdict.
    pub fn with_layers(mut self, layers: LayerReport) -> Self {
        self.layers = Some(layers);
        self.with_status()
    }

    /// Adds the result for the recorded texts, which may change the verdict.
    pub fn with_text_corpus(mut self, summary: text_corpus::Summary) -> Self {
        self.text_corpus = Some(summary);
        self.with_status()
    }

    /// Adds how draws of many seeds are distributed, which may change the verdict.
    pub fn with_draws(mut self, draws: DrawsSummary) -> Self {
        self.draws = Some(draws);
        self.with_status()
    }

    /// Derives the verdict from everything else.
    pub(in crate::report) fn with_status(mut self) -> Self {
        let exit = self.status();
        self.verdict = exit.meaning().into();
        self.exit = exit.code();
        self
    }

    /// Whether everything was compared and within its limits.
    pub fn is_parity(&self) -> bool {
        self.status() == Exit::Parity
    }
}

/// A difference of the distributions fails a run. That nothing can be said of them does not: more
/// draws would tell, and the cases have a verdict of their own.
fn draws_exit(draws: &DrawsSummary) -> Exit {
    match draws.verdict() {
        Verdict::Different => Exit::Failed,
        _ if !draws.missing.is_empty() => Exit::Incomplete,
        Verdict::Equivalent | Verdict::Undecided => Exit::Parity,
    }
}

/// One case: the outcome, and its sounds, tokens, mels and F0 contours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseReport {
    /// The verdicts.
    pub outcome: CaseOutcome,
    /// The command that runs this case alone.
    pub reproduce: String,
    /// The sound of both sides.
    pub sound: Option<Sound>,
    /// The same along their alignment, if their lengths differ: silence where one side waits for
    /// the other. Absent in reports of version 4 and older.
    #[serde(default)]
    pub aligned_sound: Option<Sound>,
    /// The sampled tokens, one entry for each segment, and every other list that differs.
    pub tokens: Vec<TokenLists>,
    /// The mels, one picture for each segment.
    pub mels: Vec<MelPicture>,
    /// The fundamental frequencies, one entry for each segment.
    pub f0: Vec<Contour>,
    /// What happened, in a sentence, if the case failed. Absent in reports of version 4 and older.
    #[serde(default)]
    pub story: Option<Story>,
    /// The signs of known mistakes. Absent in reports of version 4 and older.
    #[serde(default)]
    pub clues: Vec<Clue>,
    /// Files with the values of both sides, if they were written. Empty in reports of version 5 and
    /// older.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tensors: Vec<TensorFile>,
}
