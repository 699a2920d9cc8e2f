use serde::Serialize;

use super::curves;
use super::evidence::{Mel, Player, TextRun, Tokens, mel, player, texts, tokens};
use super::glossary::Glossary;
use super::mark::Mark;
use super::stages::{Stage, stage};
use crate::case::Text;
use crate::judge::explain;
use crate::report::model::{CaseReport, Report};

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
    stages: Vec<Stage>,
}

pub(in crate::report) fn case(report: &Report, glossary: &Glossary, case: &CaseReport) -> Case {
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
        mels: case.mels.iter().filter_map(|m| mel(m, them)).collect(),
        stages: stages
            .iter()
            .filter(|s| s.cells().next().is_some())
            .map(|s| stage(report, glossary, s).first(outcome.first_introduced))
            .collect(),
    }
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
