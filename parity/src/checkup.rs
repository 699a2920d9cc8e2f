//! Whether a recording by another program can be judged: what it has, what it lacks, and what in
//! it cannot be read as what it is meant to be.

use std::collections::BTreeMap;

use crate::array::{Array, Data};
use crate::judge::candidate_misfits;
use crate::recording::{CaseRecord, Error, Reader, RecordingSource as _};
use crate::stage::{Key, Stage, ValueKind};

/// What is to be said of a recording before it is judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkup {
    /// The stages of the golden in order, each with the number of cases that have it, and how many
    /// of them the recording has.
    pub stages: Vec<(Stage, usize, usize)>,
    /// Cases of the golden, and how many of them the recording has.
    pub cases: (usize, usize),
    /// What keeps it from being judged, or would be judged as wrong because of its form alone.
    pub wrong: Vec<String>,
    /// What is left aside.
    pub notes: Vec<String>,
}

impl Checkup {
    /// Whether something of it will be judged.
    pub fn is_judged(&self) -> bool {
        self.stages.iter().any(|(_, _, recorded)| *recorded > 0)
    }
}

/// Holds the form of a recording against a golden, comparing no values.
///
/// # Errors
/// If the golden cannot be read.
pub fn check(candidate: &Reader, golden: &Reader) -> Result<Checkup, Error> {
    let mut checkup = Checkup {
        wrong: candidate_misfits(golden, candidate.manifest()),
        notes: candidate.notes(),
        ..Checkup::default()
    };
    let mut faults = Faults::default();
    let mut counts: BTreeMap<Stage, (usize, usize)> = BTreeMap::new();
    for name in golden.manifest().cases.keys() {
        let reference = golden.case(name)?;
        let record = match candidate.case(name) {
            Ok(record) => Some(record),
            Err(Error::NoSuchCase { .. }) => None,
            Err(error) => {
                checkup.wrong.push(error.to_string());
                None
            }
        };
        checkup.cases.0 += 1;
        checkup.cases.1 += usize::from(record.is_some());
        let case = &reference.case.case;
        let promised =
            |stage: &Stage| !stage.is_auxiliary() && candidate.manifest().promises(case, *stage);
        let record = record.as_deref();
        let extra = |stage: &Stage| record.is_some_and(|r| has(r, &reference, *stage));
        // As the judge takes them: what the golden does not keep of a case is not held.
        let held = |stage: &Stage| case.has(*stage) && case.keeps(*stage);
        let kept = |stage: &Stage| has(&reference, &reference, *stage);
        let stages = Stage::all().filter(held);
        let stages = stages.filter(|s| promised(s) || (extra(s) && kept(s)));
        for stage in stages.filter(|s| !s.is_auxiliary()) {
            let count = counts.entry(stage).or_default();
            count.0 += 1;
            count.1 += usize::from(extra(&stage));
        }
        if let Some(record) = record {
            faults.of(name, record, &reference);
        }
    }
    let strangers = candidate.manifest().cases.keys();
    let strangers: Vec<_> = strangers
        .filter(|name| !golden.manifest().cases.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !strangers.is_empty() {
        let names = strangers.join(", ");
        checkup
            .wrong
            .push(format!("the golden has no case {names}"));
    }
    checkup.wrong.extend(faults.lines());
    let counted = counts.into_iter();
    checkup.stages = counted.map(|(stage, (of, has))| (stage, of, has)).collect();
    Ok(checkup)
}

/// Whether `record` has the stage in every segment of the golden.
fn has(record: &CaseRecord, golden: &CaseRecord, stage: Stage) -> bool {
    if !stage.is_tensor() {
        return !record.unrecorded.contains(&stage);
    }
    let keys = golden.keys(stage);
    !keys.is_empty() && keys.iter().all(|key| record.tensors.contains_key(key))
}

/// What is wrong with the form of values, told once for all cases.
#[derive(Default)]
struct Faults {
    by_advice: BTreeMap<(Stage, String), (String, usize)>,
}

impl Faults {
    fn of(&mut self, case: &str, record: &CaseRecord, golden: &CaseRecord) {
        for (key, array) in &record.tensors {
            if key.tap.is_some() {
                continue;
            }
            let advice = match golden.tensors.get(key) {
                Some(reference) => form(key, array, reference),
                None => no_place(key, golden),
            };
            let Some((what, advice)) = advice else {
                continue;
            };
            let first = format!("{case}: {key} {what}");
            let fault = self.by_advice.entry((key.stage, advice));
            fault.or_insert((first, 0)).1 += 1;
        }
    }

    fn lines(self) -> impl Iterator<Item = String> {
        let line = |((_, advice), (first, count)): ((Stage, String), (String, usize))| {
            let more = match count {
                1 => String::new(),
                n => format!(" (and {} more like it)", n - 1),
            };
            format!("{first}{more}: {advice}")
        };
        self.by_advice.into_iter().map(line)
    }
}

/// What a value is, and what it should be, if its type or shape cannot be that of its stage.
fn form(key: &Key, found: &Array, golden: &Array) -> Option<(String, String)> {
    let integers = matches!(found.data(), Data::I64(_));
    match (key.stage.kind(), integers) {
        (ValueKind::Tokens, true) => return None,
        (ValueKind::Tokens, false) => {
            let advice = "write ids as integers (I64 or I32)".to_owned();
            return Some(("holds floats".into(), advice));
        }
        (_, true) => {
            let advice = "write its values as F32".to_owned();
            return Some(("holds integers".into(), advice));
        }
        (_, false) => {}
    }
    let (found, wanted) = (found.shape(), golden.shape());
    // Along time, lengths are what is to be judged.
    let time = match key.stage {
        Stage::PromptSpeakerEmbedding => None,
        stage => stage.time_axis().or((wanted.len() == 1).then_some(0)),
    };
    let fits = |shape: &[usize]| {
        shape.len() == wanted.len()
            && (0..)
                .zip(shape.iter().zip(wanted))
                .all(|(axis, (f, w))| f == w || Some(axis) == time)
    };
    if fits(found) {
        return None;
    }
    let without_ones: Vec<usize> = found.iter().copied().skip_while(|d| *d == 1).collect();
    let reversed: Vec<usize> = found.iter().rev().copied().collect();
    let advice = if fits(&without_ones) {
        "drop its leading axes of 1".to_owned()
    } else if fits(&reversed) {
        "transpose it".to_owned()
    } else {
        format!("it is {}", key.stage.description())
    };
    Some((
        format!("has the shape {found:?}, the golden's {wanted:?}"),
        advice,
    ))
}

/// Why a value has nothing to be compared with, if that is a mistake.
fn no_place(key: &Key, golden: &CaseRecord) -> Option<(String, String)> {
    let beyond = key.segment.is_some_and(|s| s >= golden.segments());
    if beyond {
        let advice = format!("the golden has {} segments", golden.segments());
        return Some(("is of a segment that the case has not".into(), advice));
    }
    let case = &golden.case.case;
    (!case.has(key.stage)).then(|| {
        let advice = "it is not judged; leave it out".to_owned();
        ("is of a stage that the case does not pass".into(), advice)
    })
}
