use crate::array::Array;
use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::{
    edit, floats, late, remove, shortened, swapped, tokens, transposed, turned,
};
use crate::stage::Stage::{
    PromptFbank, PromptMel, PromptSpeakerEmbedding, PromptSpeechTokens, PromptWhisperMel,
    SourceSpeechTokens, SourceWhisperMel,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault::introduced(PromptMel, "prompt mel transposed", |s| {
        edit(s, PromptMel, transposed)
    }),
    Fault::introduced(PromptMel, "prompt mel one frame late", |s| {
        late(s, PromptMel)
    }),
    Fault::introduced(PromptMel, "prompt mel with the decimal logarithm", |s| {
        floats(s, PromptMel, |v| {
            v.iter_mut().for_each(|x| *x *= std::f32::consts::LOG10_E)
        })
    }),
    Fault::introduced(PromptMel, "last frame of the prompt mel lost", |s| {
        edit(s, PromptMel, |a| shortened(a, 0, 1))
    }),
    Fault::introduced(PromptMel, "second half of the prompt mel lost", |s| {
        edit(s, PromptMel, |a| shortened(a, 0, a.shape()[0] / 2))
    }),
    Fault::recordings(
        Expected::Missing(PromptMel),
        "prompt mel not recorded",
        |s| remove(s, PromptMel),
    ),
    Fault::introduced(PromptWhisperMel, "Whisper mel emptied", |s| {
        edit(s, PromptWhisperMel, |_| Array::f32([128, 0], vec![]).ok())
    }),
    Fault::introduced(PromptWhisperMel, "Whisper mel a hundredth too loud", |s| {
        floats(s, PromptWhisperMel, |v| {
            v.iter_mut().for_each(|x| *x += 0.01)
        })
    }),
    Fault::introduced(PromptWhisperMel, "Whisper mel one frame late", |s| {
        late(s, PromptWhisperMel)
    }),
    Fault::introduced(PromptFbank, "filter banks all zero", |s| {
        floats(s, PromptFbank, |v| v.fill(0.0))
    }),
    Fault::introduced(
        PromptFbank,
        "filter banks whose mean was not subtracted",
        |s| floats(s, PromptFbank, |v| v.iter_mut().for_each(|x| *x += 1.0)),
    ),
    Fault::introduced(PromptFbank, "one value of the filter banks infinite", |s| {
        floats(s, PromptFbank, |v| {
            v.iter_mut().take(1).for_each(|x| *x = f32::INFINITY)
        })
    }),
    Fault::introduced(
        PromptSpeechTokens,
        "one speech token of the prompt swapped",
        |s| tokens(s, PromptSpeechTokens, |v| swapped(v)),
    ),
    Fault::introduced(
        PromptSpeechTokens,
        "one speech token of the prompt inserted at its start",
        |s| {
            tokens(s, PromptSpeechTokens, |v| {
                v.insert(0, 1);
                true
            })
        },
    ),
    Fault::introduced(
        PromptSpeechTokens,
        "no speech token of the prompt left",
        |s| tokens(s, PromptSpeechTokens, |v| !std::mem::take(v).is_empty()),
    ),
    Fault::introduced(PromptSpeakerEmbedding, "speaker embedding negated", |s| {
        floats(s, PromptSpeakerEmbedding, |v| {
            v.iter_mut().for_each(|x| *x = -*x)
        })
    }),
    Fault::introduced(
        PromptSpeakerEmbedding,
        "speaker embedding at a cosine of 0.74",
        |s| floats(s, PromptSpeakerEmbedding, |v| turned(v, 0.74)),
    ),
    Fault::introduced(
        PromptSpeakerEmbedding,
        "speaker embedding at a cosine of 0.9999",
        |s| floats(s, PromptSpeakerEmbedding, |v| turned(v, 0.9999)),
    ),
    Fault::introduced(
        PromptSpeakerEmbedding,
        "speaker embedding of twice the length, which no cosine shows",
        |s| {
            floats(s, PromptSpeakerEmbedding, |v| {
                v.iter_mut().for_each(|x| *x *= 2.0)
            })
        },
    ),
    Fault::introduced(
        PromptSpeakerEmbedding,
        "halves of the speaker embedding swapped",
        |s| {
            floats(s, PromptSpeakerEmbedding, |v| {
                let half = v.len() / 2;
                v.rotate_left(half)
            })
        },
    ),
    Fault::introduced(
        SourceWhisperMel,
        "Whisper mel of the source one value late",
        |s| floats(s, SourceWhisperMel, |v| v.rotate_right(1)),
    ),
    Fault::introduced(
        SourceSpeechTokens,
        "one speech token of the source swapped",
        |s| tokens(s, SourceSpeechTokens, |v| swapped(v)),
    ),
    Fault::introduced(
        SourceSpeechTokens,
        "last speech token of the source lost",
        |s| tokens(s, SourceSpeechTokens, |v| v.pop().is_some()),
    ),
];
