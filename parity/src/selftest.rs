//! Plants known faults in a recording and checks that each is caught by the stage that should.

use std::path::Path;

use crate::array::{Array, Data};
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Summary, Tolerances, Trial, Verdict};
use crate::recording::{CaseRecord, Error, Reader, Recording, Source, sha256};
use crate::stage::{Feed, Key, Stage};

/// What became of a planted fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// What was done.
    pub fault: String,
    /// What should have found it.
    pub expected: String,
    /// What did.
    pub found: String,
    /// Whether it was caught as it should.
    pub caught: bool,
}

/// A golden and the candidates in which faults are planted. They begin as equals.
#[derive(Clone)]
struct Sides {
    golden: Recording,
    isolated: Recording,
    cascaded: Recording,
}

/// How a fault must come to light.
#[derive(Clone, Copy)]
enum Expected {
    /// No fault: everything is in parity.
    Parity,
    /// The stage is named as the first that introduced an error.
    Introduced(Stage),
    /// The stage is missing.
    Missing(Stage),
    /// The stage fails from end to end, and no stage is blamed.
    Inherited(Stage),
    /// The golden is stale.
    Stale,
    /// The golden is damaged.
    Damaged,
    /// The shell is told so.
    Exit(Exit),
}

struct Fault {
    what: &'static str,
    expected: Expected,
    /// Plants it; false where the golden has no place for it.
    plant: fn(&mut Sides) -> bool,
}

/// Runs every fault on a golden. Faults for which it has no place are left out.
///
/// # Errors
/// If the golden, or a damaged copy of it, cannot be written to a temporary folder.
pub fn run(golden: &Recording, tolerances: &Tolerances) -> Result<Vec<Planted>, Error> {
    let candidate = |feed: Feed| {
        let mut recording = golden.clone();
        recording.manifest.feed = feed;
        for case in recording.cases.values_mut() {
            case.tensors.retain(|key, _| key.stage.required_in(feed));
            case.noise.clear();
        }
        recording
    };
    let sides = Sides {
        isolated: candidate(Feed::Isolated),
        cascaded: candidate(Feed::Cascaded),
        golden: golden.clone(),
    };
    let mut all = Vec::new();
    for fault in FAULTS {
        let mut sides = sides.clone();
        if (fault.plant)(&mut sides) {
            let (outcomes, exit) = judge(&sides.golden, &sides, tolerances)?;
            all.push(held_against(fault.what, fault.expected, &outcomes, exit));
        }
    }
    if let Some(case) = golden.cases.keys().next() {
        for file in ["tensors.safetensors", "audio.wav", "case.json", "text.json"] {
            let (outcomes, exit) = with_a_flipped_byte(&sides, case, file, tolerances)?;
            let what = format!("one bit of the golden's {case}/{file} flipped");
            all.push(held_against(&what, Expected::Damaged, &outcomes, exit));
        }
    }
    Ok(all)
}

const FAULTS: &[Fault] = &[
    Fault {
        what: "nothing",
        expected: Expected::Parity,
        plant: |_| true,
    },
    Fault {
        what: "one character of the normalised text changed",
        expected: Expected::Introduced(Stage::TextNormalized),
        plant: |s| {
            records(s, |r| {
                r.text
                    .segments
                    .first_mut()
                    .map(|s| s.text.push('.'))
                    .is_some()
            })
        },
    },
    Fault {
        what: "one text id lost",
        expected: Expected::Introduced(Stage::TextIds),
        plant: |s| {
            records(s, |r| {
                r.text
                    .segments
                    .first_mut()
                    .is_some_and(|s| s.ids.pop().is_some())
            })
        },
    },
    Fault {
        what: "prompt mel transposed",
        expected: Expected::Introduced(Stage::PromptMel),
        plant: |s| edit(s, Stage::PromptMel, transposed),
    },
    Fault {
        what: "Whisper mel emptied",
        expected: Expected::Introduced(Stage::PromptWhisperMel),
        plant: |s| {
            edit(s, Stage::PromptWhisperMel, |_| {
                Array::f32([128, 0], vec![]).ok()
            })
        },
    },
    Fault {
        what: "filter banks all zero",
        expected: Expected::Introduced(Stage::PromptFbank),
        plant: |s| floats(s, Stage::PromptFbank, |v| v.fill(0.0)),
    },
    Fault {
        what: "speaker embedding negated",
        expected: Expected::Introduced(Stage::PromptSpeakerEmbedding),
        plant: |s| {
            floats(s, Stage::PromptSpeakerEmbedding, |v| {
                v.iter_mut().for_each(|x| *x = -*x)
            })
        },
    },
    Fault {
        what: "a constant added to all logits, which no probability shows",
        expected: Expected::Introduced(Stage::LlmLogits),
        plant: |s| {
            floats(s, Stage::LlmLogits, |v| {
                v.iter_mut().for_each(|x| *x += 0.1)
            })
        },
    },
    Fault {
        what: "one sampled token swapped",
        expected: Expected::Introduced(Stage::LlmTokens),
        plant: |s| {
            tokens(s, Stage::LlmTokens, |v| {
                v.last_mut().map(|t| *t = (*t + 1) % 6561).is_some()
            })
        },
    },
    Fault {
        what: "one sampled token too many",
        expected: Expected::Introduced(Stage::LlmTokens),
        plant: |s| {
            tokens(s, Stage::LlmTokens, |v| {
                v.push(0);
                true
            })
        },
    },
    Fault {
        what: "flow started from other noise",
        expected: Expected::Introduced(Stage::FlowStep(1)),
        plant: |s| floats(s, Stage::FlowStep(1), |v| add_noise(v, 1.0)),
    },
    Fault {
        what: "NaN in an Euler step",
        expected: Expected::Introduced(Stage::FlowStep(5)),
        plant: |s| {
            floats(s, Stage::FlowStep(5), |v| {
                v.iter_mut().take(1).for_each(|x| *x = f32::NAN)
            })
        },
    },
    Fault {
        what: "an Euler step left out",
        expected: Expected::Missing(Stage::FlowStep(7)),
        plant: |s| remove(s, Stage::FlowStep(7)),
    },
    Fault {
        what: "mel 1 % too loud, which no cosine shows",
        expected: Expected::Introduced(Stage::FlowMel),
        plant: |s| floats(s, Stage::FlowMel, |v| v.iter_mut().for_each(|x| *x *= 1.01)),
    },
    Fault {
        what: "one value of the mel off by a tenth",
        expected: Expected::Introduced(Stage::FlowMel),
        plant: |s| {
            floats(s, Stage::FlowMel, |v| {
                v.iter_mut().take(1).for_each(|x| *x += 0.1)
            })
        },
    },
    Fault {
        what: "last frame of the fundamental frequency lost",
        expected: Expected::Introduced(Stage::VocoderF0),
        plant: |s| edit(s, Stage::VocoderF0, truncated),
    },
    Fault {
        what: "excitation with other noise",
        expected: Expected::Introduced(Stage::VocoderSource),
        plant: |s| floats(s, Stage::VocoderSource, |v| add_noise(v, 0.01)),
    },
    Fault {
        what: "waveform one sample late",
        expected: Expected::Introduced(Stage::VocoderWav),
        plant: |s| floats(s, Stage::VocoderWav, |v| v.rotate_right(1)),
    },
    Fault {
        what: "waveform 1 % too loud",
        expected: Expected::Introduced(Stage::VocoderWav),
        plant: |s| {
            floats(s, Stage::VocoderWav, |v| {
                v.iter_mut().for_each(|x| *x *= 1.01)
            })
        },
    },
    Fault {
        what: "whole sound one sample late",
        expected: Expected::Introduced(Stage::Speech),
        plant: |s| sound(s, |v| v.rotate_right(1)),
    },
    Fault {
        what: "last sample of the whole sound lost",
        expected: Expected::Introduced(Stage::Speech),
        plant: |s| sound(s, |v| v.truncate(v.len() - 1)),
    },
    Fault {
        what: "silence instead of the sound",
        expected: Expected::Introduced(Stage::Speech),
        plant: |s| sound(s, |v| v.fill(0.0)),
    },
    Fault {
        what: "a mel that is wrong only from end to end",
        expected: Expected::Inherited(Stage::FlowMel),
        plant: |s| {
            let isolated = s.isolated.clone();
            let planted = floats(s, Stage::FlowMel, |v| v.iter_mut().for_each(|x| *x *= 1.01));
            s.isolated = isolated;
            planted
        },
    },
    Fault {
        what: "a case that the candidate never ran",
        expected: Expected::Exit(Exit::Failed),
        plant: |s| {
            let Some(case) = s.golden.cases.keys().next().cloned() else {
                return false;
            };
            s.cascaded.cases.remove(&case);
            s.isolated.cases.remove(&case).is_some()
        },
    },
    Fault {
        what: "other weights than the golden's",
        expected: Expected::Stale,
        plant: |s| {
            let files = &mut s.cascaded.manifest.model.files;
            files
                .values_mut()
                .next()
                .map(|f| f.sha256 = sha256(b"others"))
                .is_some()
        },
    },
    Fault {
        what: "another seed than the golden's",
        expected: Expected::Stale,
        plant: |s| {
            records(s, |r| {
                r.case.case.seed ^= 1;
                true
            })
        },
    },
    Fault {
        what: "no case at all",
        expected: Expected::Exit(Exit::Nothing),
        plant: |s| {
            for recording in [&mut s.golden, &mut s.isolated, &mut s.cascaded] {
                recording.cases.clear();
                recording.manifest.cases.clear();
            }
            true
        },
    },
];

fn judge(
    golden: &dyn Source,
    sides: &Sides,
    tolerances: &Tolerances,
) -> Result<(Vec<CaseOutcome>, Exit), Error> {
    let trial = Trial {
        golden,
        isolated: Some(&sides.isolated),
        cascaded: Some(&sides.cascaded),
        expected: None,
        tolerances,
    };
    let outcomes: Vec<_> = trial
        .names()
        .iter()
        .map(|n| Ok(trial.judge(&trial.load(n)?)))
        .collect::<Result<_, _>>()?;
    let exit = Summary::of(&outcomes).exit();
    Ok((outcomes, exit))
}

fn held_against(what: &str, expected: Expected, outcomes: &[CaseOutcome], exit: Exit) -> Planted {
    let introduced = outcomes.iter().find_map(|o| o.first_introduced);
    let with = |verdict, feed: Option<Feed>| {
        let stages = outcomes.iter().flat_map(|o| &o.stages);
        let mut cells = stages.flat_map(|s| s.cells().map(move |(f, c)| (s.stage, f, c)));
        cells
            .find(|(_, f, c)| c.verdict == verdict && feed.is_none_or(|feed| feed == *f))
            .map(|c| c.0)
    };
    let worst = Verdict::of(outcomes.iter().map(|o| o.verdict));
    let (wanted, caught) = match expected {
        Expected::Parity => ("parity".into(), exit == Exit::Parity),
        Expected::Introduced(stage) => (
            format!("{stage} fails first"),
            introduced == Some(stage) && exit == Exit::Failed,
        ),
        Expected::Missing(stage) => (
            format!("{stage} is missing"),
            with(Verdict::Missing, None) == Some(stage) && exit == Exit::Failed,
        ),
        Expected::Inherited(stage) => (
            format!("{stage} fails cascaded, nobody is blamed"),
            with(Verdict::Fail, Some(Feed::Cascaded)) == Some(stage)
                && introduced.is_none()
                && exit == Exit::Failed,
        ),
        Expected::Stale => (
            "golden is stale".into(),
            worst == Verdict::Stale && exit == Exit::Golden,
        ),
        Expected::Damaged => (
            "golden is damaged".into(),
            worst == Verdict::Damaged && exit == Exit::Golden,
        ),
        Expected::Exit(wanted) => (wanted.meaning().into(), exit == wanted),
    };
    let found = match introduced {
        Some(stage) => format!("{stage} fails first"),
        None => format!("{}, {}", worst.name(), exit.meaning()),
    };
    Planted {
        fault: what.to_owned(),
        expected: wanted,
        found,
        caught,
    }
}

/// Writes the golden, flips one bit in the middle of a file, and judges against what is read.
fn with_a_flipped_byte(
    sides: &Sides,
    case: &str,
    file: &str,
    tolerances: &Tolerances,
) -> Result<(Vec<CaseOutcome>, Exit), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    let parent = tempfile::tempdir().map_err(io(&std::env::temp_dir()))?;
    let dir = parent.path().join("golden");
    sides.golden.write(&dir)?;
    let path = dir.join(case).join(file);
    let mut bytes = std::fs::read(&path).map_err(io(&path))?;
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(1).for_each(|b| *b ^= 1);
    std::fs::write(&path, bytes).map_err(io(&path))?;
    judge(&Reader::open(&dir)?, sides, tolerances)
}

/// Changes the first case of both candidates.
fn records(sides: &mut Sides, f: impl Fn(&mut CaseRecord) -> bool) -> bool {
    let candidates = [&mut sides.isolated, &mut sides.cascaded];
    candidates
        .into_iter()
        .filter_map(|r| r.cases.values_mut().next())
        .filter_map(|c| f(c).then_some(()))
        .count()
        > 0
}

/// Changes the first value of a stage in every candidate that has it.
fn edit(sides: &mut Sides, stage: Stage, f: impl Fn(&Array) -> Option<Array>) -> bool {
    let mut planted = false;
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        let arrays = recording
            .cases
            .values_mut()
            .flat_map(|c| c.tensors.iter_mut());
        let first = arrays
            .into_iter()
            .find(|(k, a)| k.stage == stage && !a.is_empty());
        let changed = first.and_then(|(_, array)| f(array).map(|new| (array, new)));
        if let Some((array, new)) = changed {
            *array = new;
            planted = true;
        }
    }
    planted
}

fn floats(sides: &mut Sides, stage: Stage, f: impl Fn(&mut Vec<f32>)) -> bool {
    edit(sides, stage, |array| {
        let mut values = array.as_f32()?.to_vec();
        f(&mut values);
        Array::f32(array.shape().to_vec(), values).ok()
    })
}

fn tokens(sides: &mut Sides, stage: Stage, f: impl Fn(&mut Vec<i64>) -> bool) -> bool {
    edit(sides, stage, |array| {
        let mut values = array.as_i64()?.to_vec();
        f(&mut values).then(|| Array::ids(values))
    })
}

fn sound(sides: &mut Sides, f: impl Fn(&mut Vec<f32>)) -> bool {
    let with_sound = sides
        .cascaded
        .cases
        .values_mut()
        .find(|c| !c.audio.is_empty());
    with_sound.map(|c| f(&mut c.audio)).is_some()
}

fn remove(sides: &mut Sides, stage: Stage) -> bool {
    let mut removed = 0;
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        for case in recording.cases.values_mut() {
            removed += usize::from(case.tensors.remove(&Key::segment(stage, 0)).is_some());
        }
    }
    removed > 0
}

fn transposed(array: &Array) -> Option<Array> {
    let (&[rows, columns], values) = (array.shape(), array.as_f32()?) else {
        return None;
    };
    let flipped = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
    Array::f32([columns, rows], flipped.collect()).ok()
}

fn truncated(array: &Array) -> Option<Array> {
    match array.data() {
        Data::F32(v) => Some(Array::vector(v[..v.len() - 1].to_vec())),
        Data::I64(_) => None,
    }
}

/// Adds uniform noise of `share` of the signal's RMS.
fn add_noise(values: &mut [f32], share: f32) {
    let power = values.iter().map(|x| x * x).sum::<f32>() / values.len().max(1) as f32;
    let scale = share * power.sqrt().max(1e-3) * 12f32.sqrt();
    let mut rng = native::torch_rng::TorchRng::new(1, Default::default());
    values
        .iter_mut()
        .for_each(|x| *x += scale * (rng.uniform_f32() - 0.5));
}
