use std::path::{Component, Path};

use serde::Serialize;

use super::curves;
use super::evidence::{Player, TextRun, Tokens, player, texts, tokens};
use super::glossary::Glossary;
use super::mark::Mark;
use super::mels::{Clock, Mel, mel};
use super::stages::{Stage, stage};
use crate::case::Text;
use crate::judge::explain;
use crate::report::model::{CaseReport, Report};
use crate::stage::Feed;

/// Everything about one case.
#[derive(Serialize)]
pub(in crate::report) struct Case {
    name: String,
    mark: Mark,
    problem: Option<String>,
    first: Option<String>,
    why: String,
    story: Option<String>,
    /// Known mistakes with the sign of each.
    clues: Vec<(&'static str, String)>,
    inputs: Vec<(&'static str, String)>,
    reproduce: String,
    player: Option<Player>,
    aligned_player: Option<Player>,
    texts: Vec<Vec<TextRun>>,
    /// The sampled token lists, and all others that differ.
    tokens: Vec<Tokens>,
    divergence: Option<String>,
    drift: Option<String>,
    f0: Option<String>,
    mels: Vec<Mel>,
    /// Files with tensors that lie beside the page.
    downloads: Vec<Download>,
    stages: Vec<Stage>,
}

/// A value's files, one for each side that has it.
#[derive(Serialize)]
struct Download {
    key: String,
    shape: String,
    files: Vec<(&'static str, String)>,
}

/// `beside` is the folder that the page will lie in.
pub(in crate::report) fn case(
    report: &Report,
    glossary: &Glossary,
    case: &CaseReport,
    beside: Option<&Path>,
) -> Case {
    let outcome = &case.outcome;
    let stages = &outcome.stages;
    let them = report.candidates.first().map_or("candidate", |c| &c.engine);
    let first = stages
        .iter()
        .find(|s| Some(s.stage) == outcome.first_introduced);
    let why: Vec<_> = first
        .iter()
        .flat_map(|s| s.cells())
        .filter(|(_, cell)| cell.origin.is_some())
        .map(|(feed, cell)| format!("{}: {}", feed.name(), explain(cell)))
        .collect();
    let speed = outcome.case.as_ref().map_or(1.0, |c| c.speed);
    let mut clock = Clock::from(0.0, speed);
    Case {
        name: outcome.name.clone(),
        mark: Mark::of(outcome.verdict, None),
        problem: outcome.problem.clone(),
        first: outcome.first_introduced.map(|s| s.to_string()),
        why: why.join(" — "),
        story: case.story.as_ref().map(|s| s.words.clone()),
        clues: case
            .clues
            .iter()
            .map(|c| (c.cause.words(), c.sign.clone()))
            .collect(),
        inputs: inputs(case),
        reproduce: case.reproduce.clone(),
        player: case.sound.as_ref().and_then(player),
        aligned_player: case.aligned_sound.as_ref().and_then(player),
        texts: texts(stages),
        tokens: tokens(stages, &case.tokens),
        divergence: curves::divergence(stages),
        drift: curves::drift(stages),
        f0: curves::f0(&case.f0),
        mels: case
            .mels
            .iter()
            .filter_map(|m| mel(m, &mut clock, them))
            .collect(),
        downloads: beside.map_or_else(Vec::new, |dir| downloads(case, dir)),
        stages: stages
            .iter()
            .filter(|s| s.cells().next().is_some())
            .map(|s| stage(report, glossary, s).first(outcome.first_introduced))
            .collect(),
    }
}

/// The files of the report's list that are there: a page may be made elsewhere than the report.
fn downloads(case: &CaseReport, dir: &Path) -> Vec<Download> {
    let mut all: Vec<Download> = Vec::new();
    for file in &case.tensors {
        let path = Path::new(&file.file);
        let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
        if !(inside && dir.join(path).is_file()) {
            continue;
        }
        let side = file.feed.map_or("golden", Feed::name);
        let key = file.key.to_string();
        match all.last_mut().filter(|d| d.key == key) {
            Some(download) => download.files.push((side, file.file.clone())),
            None => all.push(Download {
                key,
                shape: format!("{:?}", file.shape),
                files: vec![(side, file.file.clone())],
            }),
        }
    }
    all
}

fn inputs(case: &CaseReport) -> Vec<(&'static str, String)> {
    let Some(c) = &case.outcome.case else {
        return Vec::new();
    };
    let mut inputs = vec![("mode", c.mode_name().to_string())];
    inputs.extend(c.text().map(|text| match text {
        Text::Whole(text) => ("text", text.clone()),
        Text::Pieces(pieces) => ("text, in pieces", pieces.join(" | ")),
    }));
    inputs.extend(c.prompt_text().map(|t| ("prompt text", t.to_owned())));
    inputs.extend(c.instruct().map(|t| ("instruction", t.to_owned())));
    inputs.push(("prompt recording", c.prompt_wav.display().to_string()));
    let source = c
        .source_wav()
        .map(|w| ("source recording", w.display().to_string()));
    inputs.extend(source);
    inputs.extend(c.speaker.iter().map(|s| ("saved speaker", s.name.clone())));
    inputs.extend(
        c.lm_weights
            .map(|w| ("language model", w.name().to_owned())),
    );
    inputs.push(("seed", c.seed.to_string()));
    inputs.push(("streaming", if c.stream { "yes" } else { "no" }.into()));
    inputs.push(("speed", c.speed.to_string()));
    inputs
}
