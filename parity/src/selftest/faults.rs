use super::plant::{
    Sides, add_noise, edit, floats, records, remove, seam, sound, swapped, tokens, transposed,
    truncated,
};
use crate::array::Array;
use crate::exit::Exit;
use crate::recording::sha256;
use crate::stage::Stage;

/// How a fault must be reported.
#[derive(Clone, Copy)]
pub(super) enum Expected {
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
    /// The command ends with this status.
    Exit(Exit),
}

pub(super) struct Fault {
    pub(super) what: &'static str,
    pub(super) expected: Expected,
    /// Plants the fault; false if the golden has no place for it.
    pub(super) plant: fn(&mut Sides) -> bool,
}

pub(super) const FAULTS: &[Fault] = &[
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
        what: "one segment of the text lost",
        expected: Expected::Introduced(Stage::TextNormalized),
        plant: |s| {
            records(s, |r| {
                r.text.segments.len() > 1 && r.text.segments.pop().is_some()
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
        what: "one speech token of the prompt swapped",
        expected: Expected::Introduced(Stage::PromptSpeechTokens),
        plant: |s| tokens(s, Stage::PromptSpeechTokens, |v| swapped(v)),
    },
    Fault {
        what: "Whisper mel of the source one frame late",
        expected: Expected::Introduced(Stage::SourceWhisperMel),
        plant: |s| floats(s, Stage::SourceWhisperMel, |v| v.rotate_right(1)),
    },
    Fault {
        what: "one speech token of the source swapped",
        expected: Expected::Introduced(Stage::SourceSpeechTokens),
        plant: |s| tokens(s, Stage::SourceSpeechTokens, |v| swapped(v)),
    },
    Fault {
        what: "one logit NaN",
        expected: Expected::Introduced(Stage::LlmLogits),
        plant: |s| {
            floats(s, Stage::LlmLogits, |v| {
                v.iter_mut().take(1).for_each(|x| *x = f32::NAN)
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
        plant: |s| tokens(s, Stage::LlmTokens, |v| swapped(v)),
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
        what: "a silence that was to be cut kept",
        expected: Expected::Introduced(Stage::LlmTokensKept),
        plant: |s| {
            tokens(s, Stage::LlmTokensKept, |v| {
                v.push(1);
                true
            })
        },
    },
    Fault {
        what: "conditioning of the flow a little too loud",
        expected: Expected::Introduced(Stage::FlowMu),
        plant: |s| floats(s, Stage::FlowMu, |v| v.iter_mut().for_each(|x| *x *= 1.001)),
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
        what: "a stretch of the waveform zero",
        expected: Expected::Introduced(Stage::VocoderWav),
        plant: |s| {
            floats(s, Stage::VocoderWav, |v| {
                let n = v.len();
                v[n / 2..].iter_mut().take(480).for_each(|x| *x = 0.0)
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
        what: "the boundary between two chunks moved",
        expected: Expected::Introduced(Stage::SpeechChunks),
        plant: |s| {
            tokens(s, Stage::SpeechChunks, |v| match v.as_mut_slice() {
                [first, second, ..] => {
                    (*first, *second) = (*first - 1, *second + 1);
                    true
                }
                _ => false,
            })
        },
    },
    Fault {
        what: "the last chunk lost",
        expected: Expected::Introduced(Stage::SpeechChunks),
        plant: |s| tokens(s, Stage::SpeechChunks, |v| v.pop().is_some()),
    },
    Fault {
        what: "two chunks joined in one",
        expected: Expected::Introduced(Stage::SpeechChunks),
        plant: |s| {
            tokens(s, Stage::SpeechChunks, |v| {
                let last = v.pop();
                let before = v.last_mut();
                last.zip(before)
                    .map(|(last, before)| *before += last)
                    .is_some()
            })
        },
    },
    Fault {
        what: "the sound of a stream one hop late from its second chunk on",
        expected: Expected::Introduced(Stage::Speech),
        plant: seam,
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
        expected: Expected::Exit(Exit::NothingCompared),
        plant: |s| {
            for recording in [&mut s.golden, &mut s.isolated, &mut s.cascaded] {
                recording.cases.clear();
                recording.manifest.cases.clear();
            }
            true
        },
    },
];
