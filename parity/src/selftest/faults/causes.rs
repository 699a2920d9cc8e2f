//! The mistakes of ports that are told by their signs: each is planted as a port with it would have
//! recorded it, and must be the first that is called likely.

use crate::array::Array;
use crate::diagnosis::{Cause, Place, place};
use crate::record::token_bounds;
use crate::recording::CaseRecord;
use crate::selftest::fault::Fault;
use crate::selftest::plant::{Sides, add_noise, turned};
use crate::stage::{FLOW_STEPS, Key, Stage};

/// The id that is masked before the minimum length, and the first that ends speech.
const STOP: i64 = 6561;

/// The first positions of a list, of which goldens keep logits.
const POSITIONS: usize = 8;

pub(super) const FAULTS: &[Fault] = &[
    Fault::cause(Cause::Resampler, "a port with another resampler", |s| {
        let stages = [
            Stage::PromptMel,
            Stage::PromptWhisperMel,
            Stage::PromptFbank,
        ];
        every(s, |_, case| {
            let changed =
                stages.map(|stage| floats(case, &Key::whole(stage), |v| add_noise(v, 0.01)));
            changed.contains(&true)
        })
    }),
    Fault::cause(
        Cause::MelNorm,
        "a port whose mel filters are not normalised",
        |s| {
            every(s, |_, case| {
                floats(case, &Key::whole(Stage::PromptMel), |v| {
                    for (i, x) in v.iter_mut().enumerate() {
                        *x += (i % 80) as f32 / 20.0;
                    }
                })
            })
        },
    ),
    Fault::cause(
        Cause::SpeakerPooling,
        "a port that pools the speaker otherwise",
        |s| {
            every(s, |_, case| {
                floats(case, &Key::whole(Stage::PromptSpeakerEmbedding), |v| {
                    turned(v, 0.97)
                })
            })
        },
    ),
    Fault::cause(
        Cause::LanguageModel,
        "a port whose language model has other positions",
        |s| {
            every(s, |golden, case| {
                // A port's logits are on the golden's tokens, whoever fed the rest.
                for stage in [Stage::LlmLogits, Stage::LlmLogitRows] {
                    let key = Key::segment(stage, 0);
                    if let Some(array) = golden.tensors.get(&key) {
                        case.tensors.insert(key, array.clone());
                    }
                }
                let key = Key::segment(Stage::LlmLogits, 0);
                floats(case, &key, |v| add_noise(v, 0.1))
            })
        },
    ),
    Fault::cause(
        Cause::StopIdInList,
        "a port that records the stop id as a token",
        |s| {
            every(s, |golden, case| {
                let stop = stop_of(golden).filter(|id| *id >= STOP);
                stop.is_some_and(|stop| tokens(case, |v| v.push(stop)))
            })
        },
    ),
    Fault::cause(
        Cause::NoStopIds,
        "a port that goes on after a stop id",
        |s| every(s, |_, case| tokens(case, |v| v.extend([STOP, 5, 7, 11]))),
    ),
    Fault::cause(
        Cause::NoStopIds,
        "a port that goes on and hides the stop id",
        |s| {
            every(s, |golden, case| {
                let ended = stop_of(golden).is_some_and(|id| id >= STOP);
                let long = reached_minimum(golden);
                ended && long && tokens(case, |v| v.extend([5, 7, 11]))
            })
        },
    ),
    Fault::cause(Cause::NoMinimum, "a port without a minimum length", |s| {
        every(s, |golden, case| {
            let least = minimum(golden);
            let few = least.min(2).saturating_sub(1);
            case.tensors
                .insert(Key::segment(Stage::LlmStop, 0), Array::ids(vec![STOP]));
            least > 1 && tokens(case, |v| v.truncate(few))
        })
    }),
    Fault::cause(Cause::NoMaximum, "a port without a maximum length", |s| {
        every(s, |golden, case| {
            stop_of(golden) == Some(-1) && tokens(case, |v| v.extend([5, 7, 11]))
        })
    }),
    Fault::cause(
        Cause::NoWindow,
        "a port without the window of the repetition rule",
        |s| {
            every(s, |golden, case| {
                // The second token again, where the third was, if that breaks no other rule.
                drawn(golden, case, 2, |golden, logits| {
                    let second = golden.get(1).copied()?;
                    let inside = logits.is_none_or(|l| place(l, second) == Some(Place::Inside));
                    inside.then_some(second)
                })
            })
        },
    ),
    Fault::cause(Cause::NoTopP, "a port without top-p", |s| {
        outside(s, Place::OutsideP)
    }),
    Fault::cause(Cause::NoTopK, "a port without top-k", |s| {
        outside(s, Place::OutsideK)
    }),
    Fault::cause(Cause::NoNucleus, "a port that draws from all tokens", |s| {
        outside(s, Place::OutsideBoth)
    }),
    Fault::cause(Cause::OtherNumbers, "a port with another generator", |s| {
        every(s, |golden, case| {
            drawn(golden, case, 0, |golden, logits| {
                let logits = logits?;
                let others = (0..logits.len() as i64).filter(|t| Some(t) != golden.first());
                let mut inside = others.filter(|t| place(logits, *t) == Some(Place::Inside));
                // The likeliest would be that of a greedy port.
                let second = inside.nth(1)?;
                let likelier = logits
                    .iter()
                    .filter(|x| **x > logits[second as usize])
                    .count();
                (likelier > 0 && second < STOP).then_some(second)
            })
        })
    }),
    Fault::cause(
        Cause::Greedy,
        "a port that always takes the likeliest token",
        |s| {
            every(s, |golden, case| {
                drawn(golden, case, 0, |_, logits| {
                    let speech = logits?.iter().zip(0..STOP);
                    let likeliest = speech.max_by(|a, b| a.0.total_cmp(b.0));
                    likeliest.map(|(_, token)| token)
                })
            })
        },
    ),
    Fault::cause(
        Cause::MinimumTooStrict,
        "a port that masks every stop id before the minimum length",
        |s| {
            every(s, |golden, case| {
                let ended = stop_of(golden).is_some_and(|id| id > STOP);
                let early = ended && !reached_minimum(golden);
                early && tokens(case, |v| v.extend([5; 40]))
            })
        },
    ),
    Fault::cause(
        Cause::NoSilenceRule,
        "a port without the silence rule",
        |s| {
            every(s, |golden, case| {
                let key = |stage| Key::segment(stage, 0);
                let raw = golden.tensors.get(&key(Stage::LlmTokens)).cloned();
                let kept = golden.tensors.get(&key(Stage::LlmTokensKept)).cloned();
                let cut = raw.as_ref().map(Array::len) > kept.as_ref().map(Array::len);
                match raw.filter(|_| cut) {
                    Some(raw) => case
                        .tensors
                        .insert(key(Stage::LlmTokensKept), raw)
                        .is_some(),
                    None => false,
                }
            })
        },
    ),
    Fault::cause(Cause::FewerSteps, "a port with one Euler step", |s| {
        every(s, |_, case| {
            let first = Key::segment(Stage::FlowStep(1), 0);
            let changed = floats(case, &first, |v| v.iter_mut().for_each(|x| *x *= 0.9));
            let later = |key: &Key| FLOW_STEPS.skip(1).any(|n| key.stage == Stage::FlowStep(n));
            case.tensors.retain(|key, _| !later(key));
            changed
        })
    }),
    Fault::cause(
        Cause::OtherNoise,
        "a port whose flow starts from other noise",
        |s| every(s, |_, case| steps(case, |v| add_noise(v, 1.0))),
    ),
    Fault::cause(Cause::Guidance, "a port without guidance", |s| {
        every(s, |_, case| {
            steps(case, |v| v.iter_mut().for_each(|x| *x *= 0.99))
        })
    }),
    Fault::cause(
        Cause::PaddingSide,
        "a port that pads the F0 on the other side",
        |s| {
            every(s, |_, case| {
                let key = Key::segment(Stage::VocoderF0, 0);
                floats(case, &key, |v| {
                    let first = v.first().copied().unwrap_or(0.0);
                    v.rotate_right(3);
                    v.iter_mut().take(3).for_each(|x| *x = first);
                })
            })
        },
    ),
    Fault::cause(Cause::Phase, "a port whose phase drifts", |s| {
        every(s, |_, case| {
            floats(case, &Key::segment(Stage::VocoderSource, 0), |v| {
                add_noise(v, 0.5)
            })
        })
    }),
];

/// Changes every case of the port that has a place for it.
fn every(sides: &mut Sides, change: impl Fn(&CaseRecord, &mut CaseRecord) -> bool) -> bool {
    let mut planted = false;
    for (name, case) in &mut sides.cascaded.cases {
        if let Some(golden) = sides.golden.cases.get(name) {
            planted |= change(golden, case);
        }
    }
    planted
}

fn floats(case: &mut CaseRecord, key: &Key, change: impl Fn(&mut Vec<f32>)) -> bool {
    let Some(array) = case.tensors.get_mut(key) else {
        return false;
    };
    let Some(mut values) = array.as_f32().map(<[f32]>::to_vec) else {
        return false;
    };
    change(&mut values);
    match Array::f32(array.shape().to_vec(), values) {
        Ok(changed) => {
            *array = changed;
            true
        }
        Err(_) => false,
    }
}

/// Changes every step of the flow.
fn steps(case: &mut CaseRecord, change: impl Fn(&mut Vec<f32>)) -> bool {
    let keys = FLOW_STEPS.map(|n| Key::segment(Stage::FlowStep(n), 0));
    let changed: Vec<bool> = keys.map(|key| floats(case, &key, &change)).collect();
    changed.contains(&true)
}

/// Changes the first segment's tokens.
fn tokens(case: &mut CaseRecord, change: impl FnOnce(&mut Vec<i64>)) -> bool {
    let Some(array) = case.tensors.get_mut(&Key::segment(Stage::LlmTokens, 0)) else {
        return false;
    };
    let mut ids = array.as_i64().unwrap_or_default().to_vec();
    if ids.is_empty() {
        return false;
    }
    change(&mut ids);
    *array = Array::ids(ids);
    true
}

fn stop_of(golden: &CaseRecord) -> Option<i64> {
    let stop = golden.tensors.get(&Key::segment(Stage::LlmStop, 0))?;
    stop.as_i64()?.first().copied()
}

/// The fewest tokens of the first segment; none where the text arrives in pieces.
fn minimum(golden: &CaseRecord) -> usize {
    let whole = !golden.case.case.in_pieces();
    let text = golden.text.segments.first().filter(|_| whole);
    text.map_or(0, |text| token_bounds(text.ids.len()).0)
}

fn reached_minimum(golden: &CaseRecord) -> bool {
    let tokens = golden.tensors.get(&Key::segment(Stage::LlmTokens, 0));
    tokens.is_some_and(|tokens| tokens.len() >= minimum(golden))
}

/// Draws another token at a position, from the golden's logits of it, and repeats it to the end of
/// the list, so that no other rule is broken by its length.
fn drawn(
    golden: &CaseRecord,
    case: &mut CaseRecord,
    position: usize,
    draw: impl Fn(&[i64], Option<&[f32]>) -> Option<i64>,
) -> bool {
    let key = |stage| golden.tensors.get(&Key::segment(stage, 0));
    let Some(sampled) = key(Stage::LlmTokens).and_then(Array::as_i64) else {
        return false;
    };
    let rows = key(Stage::LlmLogitRows).and_then(Array::as_i64);
    let logits = key(Stage::LlmLogits).and_then(|logits| {
        let row = rows?.iter().position(|p| *p == position as i64)?;
        let &[_, width] = logits.shape() else {
            return None;
        };
        logits.as_f32()?.get(row * width..(row + 1) * width)
    });
    let before = sampled.get(..position).unwrap_or_default();
    let token = draw(sampled, logits).filter(|t| sampled.get(position).is_some_and(|s| s != t));
    let repeats = token.is_some_and(|t| before.contains(&t));
    match token {
        Some(token) if repeats || logits.is_some() => tokens(case, |v| {
            for slot in v.iter_mut().skip(position).take(1) {
                *slot = token;
            }
        }),
        _ => false,
    }
}

/// Draws a token that lies there, at the first position that has one.
fn outside(sides: &mut Sides, wanted: Place) -> bool {
    every(sides, |golden, case| {
        let at = |position: usize, case: &mut CaseRecord| {
            drawn(golden, case, position, |_, logits| {
                let logits = logits?;
                let all = 0..STOP.min(logits.len() as i64);
                all.into_iter().find(|t| place(logits, *t) == Some(wanted))
            })
        };
        (0..POSITIONS).any(|position| at(position, case))
    })
}
