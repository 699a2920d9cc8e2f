use serde::Serialize;

use super::evidence::Evidence;
use super::follow::Followed;
use super::trials::Power;

/// What few tokens say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The tokens are not the reference's, and the error of the logits does not explain it.
    Different,
    /// They are, or the error explains those that are not.
    Explained,
    /// There were no tokens.
    Nothing,
}

/// A token that is not the one which exact logits give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parting {
    /// The text.
    pub case: String,
    /// Its seed.
    pub seed: u64,
    /// The token, counted from 0.
    pub position: usize,
    /// Whether the error of the logits explains it.
    pub explained: bool,
}

/// What was found along the tokens of many texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// What it comes to.
    pub verdict: Verdict,
    /// Tokens and marks that were followed.
    pub tokens: usize,
    /// Lists of them.
    pub lists: usize,
    /// Those that exact logits do not give.
    pub parted: usize,
    /// Those of them that no error of the logits explains.
    pub unexplained: usize,
    /// The evidence after all tokens, as a decimal logarithm.
    pub evidence: f64,
    /// After how many tokens it was enough.
    pub told_after: Option<usize>,
    /// Each suspect's, the likeliest first.
    pub suspects: Vec<(String, f64)>,
    /// The first partings.
    pub first: Vec<Parting>,
    /// How often parts of the tokens are called different, if they were cut into parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Power>,
}

/// Puts together what was found of each text and seed, in their order.
pub fn trace<'a>(followed: impl IntoIterator<Item = (&'a str, u64, &'a Followed)>) -> Trace {
    let mut evidence = Evidence::default();
    let mut trace = Trace {
        verdict: Verdict::Nothing,
        tokens: 0,
        lists: 0,
        parted: 0,
        unexplained: 0,
        evidence: 0.0,
        told_after: None,
        suspects: Vec::new(),
        first: Vec::new(),
        runs: None,
    };
    for (case, seed, followed) in followed {
        trace.lists += 1;
        evidence.begin_text();
        for ratios in &followed.ratios {
            evidence.push(ratios);
            trace.tokens += 1;
            if trace.told_after.is_none() && evidence.is_enough() {
                trace.told_after = Some(trace.tokens);
            }
        }
        trace.parted += followed.parted.len();
        trace.unexplained += followed.unexplained.len();
        trace
            .first
            .extend(followed.parted.iter().map(|&position| Parting {
                case: case.to_owned(),
                seed,
                position,
                explained: !followed.unexplained.contains(&position),
            }));
    }
    trace.first.truncate(FIRST);
    trace.evidence = evidence.overall();
    let mut suspects = evidence.of_each();
    suspects.sort_by(|a, b| b.1.total_cmp(&a.1));
    trace.suspects = suspects
        .into_iter()
        .map(|(suspect, log)| (suspect.name(), log))
        .collect();
    trace.verdict = match (trace.tokens, trace.told_after) {
        (0, _) => Verdict::Nothing,
        (_, Some(_)) => Verdict::Different,
        (_, None) => Verdict::Explained,
    };
    trace
}

/// Partings that are listed.
const FIRST: usize = 20;
