use native::family::Family;
use serde::Serialize;

use super::difference::{Difference, differences};
use super::distribution::{Distribution, distributions};
use super::equivalence::{Equivalence, equivalences};
use super::exact::Exact;
use super::feature::Pool;
use super::limits::ALPHA;
use super::permutation::Shuffler;
use super::{Margins, Samples, Statistic, TextDraws};
use crate::case::Case;
use crate::recording::RecordedCase;

/// How samples are compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// The share of comparisons of right engines that are called different.
    pub alpha: f64,
    /// How often draws are shuffled at most.
    pub permutations: usize,
    /// How often draws are resampled.
    pub bootstraps: usize,
    /// How far equivalent engines may be apart.
    pub margins: Margins,
    /// Of shuffling and resampling.
    pub seed: u64,
    /// Speech tokens that sound as silence.
    #[serde(skip)]
    pub silent_tokens: &'static [u32],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            alpha: ALPHA,
            permutations: 4999,
            bootstraps: 400,
            margins: Margins::default(),
            seed: 1,
            silent_tokens: Family::ALL
                .first()
                .map_or(&[], |family| family.silent_tokens),
        }
    }
}

/// What can be said of two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A corrected test rejects that they draw alike.
    Different,
    /// None does, and all tests of equivalence pass.
    Equivalent,
    /// Neither: there are too few draws.
    Undecided,
}

impl Verdict {
    /// What tests come to: whether any found a difference, of how many draws of each text in the
    /// golden and in the candidate, and whether all tests of equivalence pass.
    pub(super) fn of(differs: bool, draws: [usize; 2], equivalent: bool) -> Self {
        if differs {
            Self::Different
        } else if draws.contains(&0) || !equivalent {
            Self::Undecided
        } else {
            Self::Equivalent
        }
    }
}

/// A candidate's samples held against the golden's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What can be said.
    pub verdict: Verdict,
    /// The texts that both have.
    pub texts: Vec<String>,
    /// Draws of each text in the golden, and in the candidate.
    pub draws: [usize; 2],
    /// Draws of seeds that both have. Empty ones prove nothing.
    pub exact: Exact,
    /// Whether the distributions are of those same draws: then an engine that is right in part looks
    /// nearer than it is.
    pub same_seeds: bool,
    /// Texts of the golden that the candidate lacks.
    pub missing: Vec<String>,
    /// Tests of difference.
    pub differences: Vec<Difference>,
    /// Tests of equivalence.
    pub equivalences: Vec<Equivalence>,
    /// The distributions, to be drawn.
    pub distributions: Vec<Distribution>,
    /// How it was compared.
    pub settings: Settings,
}

/// Why samples cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They have no text in common.
    #[error(
        "the candidate has none of the golden's texts: draw them with the golden's cases, as \
         `parity sample --against` does"
    )]
    NothingShared,
    /// They are not of the same inputs.
    #[error(
        "{what} is not the one that the golden was drawn with: draw both sides with the same files"
    )]
    OtherInputs {
        /// A file, or a case.
        what: String,
    },
}

/// Holds a candidate's samples against the reference's.
///
/// Draws of seeds that both have are compared token by token, and left out of the tests: an engine
/// that draws torch's numbers says the same with the same seed, which would make any test of two
/// independent samples meaningless. If there are no others they are tested all the same.
///
/// # Errors
/// If the samples are not of the same texts and files.
pub fn compare(
    golden: &Samples,
    candidate: &Samples,
    settings: &Settings,
) -> Result<Comparison, Error> {
    same_files(golden, candidate)?;
    let (golden, candidate, missing) = shared(golden, candidate)?;
    let exact = Exact::of(&golden, &candidate);
    let own = without_seeds(&candidate, &golden.manifest.seeds);
    let same_seeds = own.manifest.seeds.is_empty();
    let tested = if same_seeds { &candidate } else { &own };
    let mut comparison = compare_draws(&golden.texts, &tested.texts, settings);
    let names = golden.manifest.cases.iter().map(|c| c.case.name.clone());
    comparison.texts = names.collect();
    let pool = Pool::new(&golden.texts, &tested.texts, settings.silent_tokens);
    comparison.distributions = distributions(&pool);
    Ok(Comparison {
        exact,
        same_seeds,
        missing,
        ..comparison
    })
}

/// The tests alone, of draws of the same texts in the same order.
pub fn compare_draws(
    golden: &[TextDraws],
    candidate: &[TextDraws],
    settings: &Settings,
) -> Comparison {
    let pool = Pool::new(golden, candidate, settings.silent_tokens);
    let mut shuffler = Shuffler::new(settings.seed);
    let found = differences(&pool, settings, &mut shuffler);
    let first_token = found
        .iter()
        .find(|f| f.0.statistic == Statistic::FirstToken);
    let first_token = first_token.map(|f| &f.1);
    let equivalences = equivalences(&pool, settings, first_token, found.len(), &mut shuffler);
    let differences: Vec<Difference> = found.into_iter().map(|f| f.0).collect();
    let draws =
        [golden, candidate].map(|side| side.iter().map(|t| t.draws.len()).max().unwrap_or(0));
    let verdict = Verdict::of(
        differences.iter().any(|d| d.differs),
        draws,
        equivalences.iter().all(|e| e.equivalent),
    );
    Comparison {
        verdict,
        texts: Vec::new(),
        draws,
        exact: Exact::default(),
        same_seeds: false,
        missing: Vec::new(),
        differences,
        equivalences,
        distributions: Vec::new(),
        settings: settings.clone(),
    }
}

/// Refuses other weights, as far as both sides say what theirs are.
fn same_files(golden: &Samples, candidate: &Samples) -> Result<(), Error> {
    let (golden, candidate) = (
        &golden.manifest.model.files,
        &candidate.manifest.model.files,
    );
    let other = golden.iter().find(|(name, hash)| {
        candidate
            .get(*name)
            .is_some_and(|theirs| theirs.sha256 != hash.sha256)
    });
    match other {
        Some((name, _)) => Err(Error::OtherInputs { what: name.clone() }),
        None => Ok(()),
    }
}

/// Both sides with the texts that both have, in the golden's order, and those that are missing.
fn shared(golden: &Samples, candidate: &Samples) -> Result<(Samples, Samples, Vec<String>), Error> {
    let with = |samples: &Samples| Samples {
        manifest: samples.manifest.clone(),
        texts: Vec::new(),
    };
    let (mut ours, mut theirs, mut missing) = (with(golden), with(candidate), Vec::new());
    ours.manifest.cases.clear();
    theirs.manifest.cases.clear();
    for (case, text) in golden.manifest.cases.iter().zip(&golden.texts) {
        let name = &case.case.name;
        let same = |c: &&RecordedCase| c.case.name == *name;
        let found = candidate.manifest.cases.iter().zip(&candidate.texts);
        let Some((other, draws)) = found.into_iter().find(|(c, _)| same(c)) else {
            missing.push(name.clone());
            continue;
        };
        if inputs(case) != inputs(other) {
            return Err(Error::OtherInputs {
                what: format!("the case {name}"),
            });
        }
        ours.manifest.cases.push(case.clone());
        ours.texts.push(text.clone());
        theirs.manifest.cases.push(other.clone());
        theirs.texts.push(draws.clone());
    }
    match ours.texts.is_empty() {
        true => Err(Error::NothingShared),
        false => Ok((ours, theirs, missing)),
    }
}

/// What of a case the draws depend on.
fn inputs(case: &RecordedCase) -> (Case, &str) {
    let case_of = Case {
        seed: 0,
        keep: Default::default(),
        ..case.case.clone()
    };
    (case_of, &case.prompt_wav_sha256)
}

/// The samples without the draws of those seeds.
fn without_seeds(samples: &Samples, seeds: &[u64]) -> Samples {
    let kept: Vec<bool> = samples
        .manifest
        .seeds
        .iter()
        .map(|s| !seeds.contains(s))
        .collect();
    let mut own = samples.clone();
    let mut keep = kept.iter();
    own.manifest.seeds.retain(|_| keep.next() == Some(&true));
    for text in &mut own.texts {
        let mut keep = kept.iter();
        text.draws.retain(|_| keep.next() == Some(&true));
    }
    own
}
