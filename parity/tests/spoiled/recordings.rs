//! What recordings and goldens say, spoiled and sealed again as a tamperer would.

use parity::array::Array;
use parity::case::Keep;
use parity::exit::Exit;
use parity::metric::Noise;
use parity::recording::{CASCADED_NOISE, CaseRecord};
use parity::stage::{Key, Stage};
use serde_json::json;

use super::Row;
use super::folders::{ALL, CANDIDATES, Folders, Side, assert_all, damaged};

const GOLDEN: &[Side] = &[Side::Golden];
const CASCADED: &[Side] = &[Side::Cascaded];
const ISOLATED: &[Side] = &[Side::Isolated];

fn first(stage: Stage) -> Key {
    Key::segment(stage, 0)
}

/// Makes a noise larger, by everything that is said of it.
fn louder(noise: &mut Noise, times: f64) {
    noise.max_abs *= times;
    noise.p999 *= times;
    noise.rms *= times;
    noise.nmse_db += 20.0 * times.log10();
}

fn zero(values: &mut [f32]) {
    values.fill(0.0);
}

fn spoil_one(values: &mut [f32], with: f32) {
    values[values.len() / 2] = with;
}

fn failed(name: &'static str, says: &'static str, spoil: fn(&mut Folders)) -> Row<Folders> {
    Row {
        name,
        spoil,
        exit: Exit::Failed,
        says,
    }
}

#[test]
fn what_a_golden_has_lost_is_missed_though_every_recording_has_lost_it() {
    assert_all(&[
        damaged(
            "logits",
            "lacks llm.logits[0], which its case and feed promise",
            |s| {
                s.lose(&ALL, &first(Stage::LlmLogits));
            },
        ),
        damaged("positions of the logits", "lacks llm.logit_rows[0]", |s| {
            s.lose(&ALL, &first(Stage::LlmLogitRows));
        }),
        damaged("a step of the flow", "lacks flow.step.07[0]", |s| {
            s.lose(&ALL, &first(Stage::FlowStep(7)));
        }),
        damaged("the prompt's mel", "lacks prompt.mel", |s| {
            s.lose(&ALL, &Key::whole(Stage::PromptMel));
        }),
        damaged("the sampled tokens", "lacks llm.tokens[0]", |s| {
            s.lose(&ALL, &first(Stage::LlmTokens));
        }),
        damaged("the waveform", "lacks vocoder.wav[0]", |s| {
            s.lose(&ALL, &first(Stage::VocoderWav));
        }),
        damaged("the chunks of a stream", "lacks speech.chunks", |s| {
            let chunks = Key::whole(Stage::SpeechChunks);
            s.case(&ALL, "stream-voice-conversion", |c| {
                drop(c.tensors.remove(&chunks))
            });
        }),
        damaged("the source's tokens", "lacks source.speech_tokens", |s| {
            let tokens = Key::whole(Stage::SourceSpeechTokens);
            s.case(&ALL, "stream-voice-conversion", |c| {
                drop(c.tensors.remove(&tokens))
            });
        }),
        damaged("the sound", "audio.wav: damaged: it has no sound", |s| {
            s.case(&ALL, "english-short", |c| c.audio.clear());
        }),
        damaged("every segment", "lacks text.normalized of a segment", |s| {
            s.case(&ALL, "tokens-zero-shot-hi", |c| {
                c.text.segments.clear();
                c.tensors.retain(|key, _| key.segment.is_none());
            });
        }),
        damaged(
            "the words of a segment",
            "lacks text.normalized of a segment",
            |s| {
                s.case(&ALL, "tokens-zero-shot-hi", |c| {
                    c.text.segments[0].text.clear()
                });
            },
        ),
        damaged("the ids of a segment", "lacks text.ids of a segment", |s| {
            s.case(&ALL, "tokens-zero-shot-hi", |c| {
                c.text.segments[0].ids.clear()
            });
        }),
        damaged(
            "the noise of a stage",
            "lacks the noise of flow.mel[0]",
            |s| {
                s.case(GOLDEN, "english-short", |c| {
                    c.noise.remove(&first(Stage::FlowMel));
                });
            },
        ),
        damaged(
            "all noise",
            "noise.json: damaged: it lacks the noise of",
            |s| {
                s.case(GOLDEN, "english-short", |c| c.noise.clear());
            },
        ),
        damaged(
            "the prompt's hash",
            "does not say which prompt recording",
            |s| {
                s.case(&ALL, "english-short", |c| c.case.prompt_wav_sha256.clear());
            },
        ),
        damaged(
            "the source's hash",
            "does not say which source recording",
            |s| {
                s.case(&ALL, "stream-voice-conversion", |c| {
                    c.case.source_wav_sha256 = None
                });
            },
        ),
    ]);
}

#[test]
fn values_that_cannot_be_true_damage_a_golden_though_every_recording_has_them() {
    assert_all(&[
        damaged(
            "NaN in a mel",
            "1 values of flow.mel[0] are NaN or infinite",
            |s| {
                s.floats(&ALL, &first(Stage::FlowMel), |v| spoil_one(v, f32::NAN));
            },
        ),
        damaged(
            "NaN in a whole step",
            "values of flow.step.03[0] are NaN",
            |s| {
                s.floats(&ALL, &first(Stage::FlowStep(3)), |v| v.fill(f32::NAN));
            },
        ),
        damaged(
            "infinity in the prompt's mel",
            "values of prompt.mel are NaN",
            |s| {
                s.floats(&ALL, &Key::whole(Stage::PromptMel), |v| {
                    spoil_one(v, f32::INFINITY)
                });
            },
        ),
        damaged("NaN in the sound", "1 samples are NaN or infinite", |s| {
            s.case(&ALL, "english-short", |c| {
                if let Some(sample) = c.audio.last_mut() {
                    *sample = f32::NAN;
                }
            });
        }),
        damaged("a mel without frames", "flow.mel[0] is empty", |s| {
            let empty = Array::f32([80, 0], vec![]).unwrap();
            s.replace(&ALL, &first(Stage::FlowMel), &empty);
        }),
        damaged("no sampled token", "llm.tokens[0] is empty", |s| {
            s.replace(&ALL, &first(Stage::LlmTokens), &Array::ids(vec![]));
        }),
        damaged(
            "tokens that are floats",
            "which is not what it holds",
            |s| {
                s.replace(&ALL, &first(Stage::LlmTokens), &Array::vector(vec![1.0]));
            },
        ),
        damaged("a mel of integers", "which is not what it holds", |s| {
            s.replace(&ALL, &first(Stage::FlowMel), &Array::ids(vec![1]));
        }),
        damaged(
            "fewer positions than logits",
            "rows, but 1 positions",
            |s| {
                s.replace(&ALL, &first(Stage::LlmLogitRows), &Array::ids(vec![0]));
            },
        ),
        damaged(
            "a second segment",
            "holds flow.mel[1], for which its case has no place",
            |s| {
                let mel = Array::vector(vec![1.0]);
                s.replace(&ALL, &Key::segment(Stage::FlowMel, 1), &mel);
            },
        ),
        damaged(
            "chunks without a stream",
            "holds speech.chunks, for which",
            |s| {
                s.replace(&ALL, &Key::whole(Stage::SpeechChunks), &Array::ids(vec![9]));
            },
        ),
        damaged(
            "a case that is said to keep only tokens",
            "for which its case has no place",
            |s| {
                s.case(&ALL, "english-short", |c| c.case.case.keep = Keep::Tokens);
            },
        ),
    ]);
}

#[test]
fn a_noise_that_is_not_that_of_its_stage_is_damaged() {
    assert_all(&[
        damaged(
            "a flow of zeros under noise times 1e12",
            "is said to be",
            |s| {
                s.case(GOLDEN, "english-short", |c| {
                    for noise in c.noise.values_mut() {
                        noise.max_abs *= 1e12;
                        noise.p999 *= 1e12;
                        noise.rms *= 1e12;
                    }
                });
                s.floats(&CANDIDATES, &first(Stage::FlowMel), zero);
            },
        ),
        damaged(
            "noise times 1e12 by every number",
            "could not be measured: 11",
            |s| {
                s.noise(Stage::FlowMel, None, &[], |n| louder(n, 1e12));
            },
        ),
        damaged(
            "noise as loud as the signal",
            "could not be measured",
            |s| {
                s.noise(Stage::FlowMel, None, &[], |n| {
                    let signal = 10f64.powf(-n.nmse_db / 20.0);
                    louder(n, signal);
                });
            },
        ),
        damaged(
            "cascaded noise above the signal",
            "could not be measured",
            |s| {
                s.noise(Stage::VocoderSource, Some(CASCADED_NOISE), &[], |n| {
                    louder(n, 1e4)
                });
            },
        ),
        damaged(
            "one case's noise far from the other's",
            "dB in the other cases",
            |s| {
                s.noise(Stage::FlowMel, None, &["english-short"], |n| louder(n, 1e3));
            },
        ),
        damaged("a tail without a body", "exclude each other", |s| {
            s.noise(Stage::FlowMel, None, &[], |n| {
                n.p999 *= 1e3;
                n.max_abs *= 1e3;
            });
        }),
        damaged("a negative noise", "is not a finite number", |s| {
            s.noise(Stage::FlowMel, None, &[], |n| n.rms = -n.rms);
        }),
        damaged("noise of nothing", "there is no such value", |s| {
            s.case(GOLDEN, "english-short", |c| {
                let noise = c.noise[&first(Stage::FlowMel)];
                c.noise.insert(Key::segment(Stage::FlowMel, 7), noise);
            });
        }),
        damaged("noise that is not a number", "noise.json: damaged", |s| {
            s.forge("noise.json", |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                *bytes = text
                    .replacen("\"rms\": ", "\"rms\": \"NaN\", \"was\": ", 1)
                    .into_bytes();
            });
        }),
    ]);
}

#[test]
fn what_a_verdict_relies_on_has_to_be_stated() {
    assert_all(&[
        damaged("no libraries", "does not say which torch", |s| {
            s.manifest(|m| m["libraries"] = json!({}));
        }),
        damaged("no wetext", "does not say which wetext", |s| {
            s.manifest(|m| drop(m["libraries"].as_object_mut().unwrap().remove("wetext")));
        }),
        damaged("another torch", "with torch 2.15.0, not 2.3.1", |s| {
            s.manifest(|m| m["libraries"]["torch"] = "2.15.0".into());
        }),
        damaged("no commit", "at commit unknown", |s| {
            s.manifest(|m| m["engine"]["commit"] = json!(null));
        }),
        damaged("no sources", "does not say which sources", |s| {
            s.manifest(|m| m["sources"] = json!({}));
        }),
        damaged(
            "no model files",
            "golden does not say which model files",
            |s| {
                s.manifest(|m| m["model"]["files"] = json!({}));
            },
        ),
        damaged(
            "no model files of the candidate",
            "candidate does not say which model files",
            |s| {
                s.reseal(Side::Cascaded, |m| m["model"]["files"] = json!({}));
            },
        ),
        damaged("no flow.pt", "golden does not say which flow.pt", |s| {
            s.manifest(|m| {
                drop(
                    m["model"]["files"]
                        .as_object_mut()
                        .unwrap()
                        .remove("flow.pt"),
                )
            });
        }),
        damaged(
            "no hift.pt of the candidate",
            "candidate does not say which hift.pt",
            |s| {
                s.reseal(Side::Isolated, |m| {
                    drop(
                        m["model"]["files"]
                            .as_object_mut()
                            .unwrap()
                            .remove("hift.pt"),
                    );
                });
            },
        ),
        damaged("no llm.pt", "golden does not say which llm.pt", |s| {
            s.manifest(|m| {
                drop(
                    m["model"]["files"]
                        .as_object_mut()
                        .unwrap()
                        .remove("llm.pt"),
                )
            });
        }),
        damaged(
            "another flow.pt",
            "another flow.pt than the candidate (sha256 03b7095a…",
            |s| {
                s.reseal(Side::Cascaded, |m| {
                    m["model"]["files"]["flow.pt"]["sha256"] = "0123456789abcdef".repeat(4).into();
                });
            },
        ),
        damaged(
            "no name of the weights",
            "does not say which weights of the language",
            |s| {
                s.manifest(|m| m["lm_weights"] = json!(null));
            },
        ),
        damaged(
            "the other weights",
            "uses llm.rl.pt, the candidate's uses llm.pt",
            |s| {
                s.manifest(|m| m["lm_weights"] = "llm.rl.pt".into());
            },
        ),
        damaged(
            "no name of the candidate's weights",
            "candidate does not say which weights",
            |s| {
                s.reseal(Side::Cascaded, |m| m["lm_weights"] = json!(null));
            },
        ),
        damaged("another device", "says device cuda", |s| {
            s.manifest(|m| m["device"] = "cuda".into())
        }),
        damaged("another precision", "says precision bf16", |s| {
            s.manifest(|m| m["precision"] = "bf16".into());
        }),
        damaged("a golden that was fed", "says feed isolated", |s| {
            s.manifest(|m| m["feed"] = "isolated".into());
        }),
        damaged(
            "a golden fed by another",
            "fed from another recording",
            |s| {
                s.manifest(|m| m["fed_from"] = "0123456789abcdef".repeat(4).into());
            },
        ),
        damaged(
            "a candidate fed by another",
            "was fed from another golden",
            |s| {
                s.reseal(Side::Golden, |m| {
                    m["recorded_at"] = "2026-01-01T00:00:00Z".into()
                });
            },
        ),
        damaged(
            "a candidate fed by nobody",
            "does not say which golden fed it",
            |s| {
                s.reseal(Side::Isolated, |m| m["fed_from"] = json!(null));
            },
        ),
        damaged("another seed", "another seed than the candidate", |s| {
            s.case(GOLDEN, "english-short", |c| c.case.case.seed ^= 1);
        }),
        damaged("a streamed case", "lacks speech.chunks", |s| {
            s.case(&ALL, "english-short", |c| c.case.case.stream = true);
        }),
    ]);
}

#[test]
fn a_candidate_fails_at_the_stage_that_it_lacks_or_got_wrong() {
    assert_all(&[
        failed("no logits", "llm.logits[0]: the candidate lacks it", |s| {
            s.lose(ISOLATED, &first(Stage::LlmLogits));
        }),
        failed("no mel", "flow.mel[0]: the candidate lacks it", |s| {
            s.lose(CASCADED, &first(Stage::FlowMel));
        }),
        failed(
            "no logits of a candidate that is the reference",
            "llm.logits[0]: the candidate lacks it",
            |s| {
                s.reseal(Side::Cascaded, |m| m["engine"]["name"] = "python".into());
            },
        ),
        failed("no case", "the candidate lacks the case", |s| {
            s.rewrite(&CANDIDATES, |r| drop(r.cases.remove("english-short")));
        }),
        failed(
            "NaN in the mel",
            "flow.mel[0]: 1 values are NaN or infinite",
            |s| {
                s.floats(CASCADED, &first(Stage::FlowMel), |v| spoil_one(v, f32::NAN));
            },
        ),
        failed(
            "infinity in the waveform",
            "vocoder.wav[0]: 1 samples are NaN or infinite",
            |s| {
                s.floats(ISOLATED, &first(Stage::VocoderWav), |v| {
                    spoil_one(v, f32::INFINITY)
                });
            },
        ),
        failed(
            "NaN in the sound",
            "speech: 1 samples are NaN or infinite",
            |s| {
                s.case(CASCADED, "english-short", |c| c.audio[100] = f32::NAN);
            },
        ),
        failed(
            "no sound",
            "english-short: speech introduced the error",
            |s| {
                s.case(CASCADED, "english-short", |c| c.audio.clear());
            },
        ),
        failed(
            "a flow of zeros",
            "english-short: flow.mel introduced the error",
            |s| {
                s.floats(&CANDIDATES, &first(Stage::FlowMel), zero);
            },
        ),
        failed("no token", "llm.tokens[0]: edit distance is", |s| {
            s.replace(&CANDIDATES, &first(Stage::LlmTokens), &Array::ids(vec![]));
        }),
        failed(
            "louder logits",
            "english-short: llm.logits introduced the error",
            |s| {
                s.floats(ISOLATED, &first(Stage::LlmLogits), |v| {
                    v.iter_mut().for_each(|x| *x += 0.1)
                });
            },
        ),
        failed("a transposed mel", "shape", |s| {
            s.case(CASCADED, "english-short", |c| {
                let mel = c.tensors.get_mut(&first(Stage::FlowMel)).unwrap();
                let shape: Vec<_> = mel.shape().iter().rev().copied().collect();
                *mel = Array::f32(shape, mel.as_f32().unwrap().to_vec()).unwrap();
            });
        }),
        damaged("a damaged file", "audio.wav: damaged", |s| {
            std::fs::write(s.dir(Side::Cascaded).join("english-short/audio.wav"), "").unwrap();
        }),
        damaged("another format", "recording format 9", |s| {
            s.reseal(Side::Isolated, |m| m["format"] = 9.into());
        }),
    ]);
}

/// Gives the speaker embedding the noise that an evaluator in training mode measured, in all cases.
fn unmeasured(folders: &Folders) {
    folders.noise(Stage::PromptSpeakerEmbedding, None, &[], |n| {
        let times = 10f64.powf((-30.0 - n.nmse_db) / 20.0);
        louder(n, times);
    });
}

#[test]
fn where_the_noise_could_not_be_measured_an_absolute_limit_holds_and_the_report_says_so() {
    let folders = Folders::new();
    unmeasured(&folders);
    let (exit, said) = folders.judge();
    assert_eq!(exit, Exit::Parity, "{said}");
    let words = "the reference's noise could not be measured, so that absolute limits apply: \
                 prompt.speaker_embedding isolated";
    assert!(said.contains(words), "{said}");

    folders.case(&CANDIDATES, "english-short", |c: &mut CaseRecord| {
        let key = Key::whole(Stage::PromptSpeakerEmbedding);
        let values = c.tensors[&key].as_f32().unwrap();
        let wrong = values.iter().map(|x| x * 1.01).collect();
        c.tensors.insert(key, Array::vector(wrong));
    });
    let (exit, said) = folders.judge();
    assert_eq!(exit, Exit::Failed, "{said}");
    assert!(
        said.contains("prompt.speaker_embedding introduced the error"),
        "{said}"
    );
}

#[test]
fn a_diff_of_one_recording_says_what_only_the_other_one_has() {
    let folders = Folders::new();
    let (exit, said) = folders.report(CASCADED).unwrap();
    assert_eq!(exit, Exit::Parity, "{said}");
    let words = "only a recording that is isolated has it: llm.logits cascaded";
    assert!(said.contains(words), "{said}");
}
