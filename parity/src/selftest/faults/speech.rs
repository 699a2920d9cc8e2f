use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::{clipped, last_chunk_dropped, offset, remove, seam, sound, tokens};
use crate::stage::Stage::{Speech, SpeechChunks};

pub(super) const FAULTS: &[Fault] = &[
    Fault::introduced(Speech, "whole sound one sample late", |s| {
        sound(s, |v| v.rotate_right(1))
    }),
    Fault::introduced(Speech, "last sample of the whole sound lost", |s| {
        sound(s, |v| v.truncate(v.len() - 1))
    }),
    Fault::introduced(Speech, "silence instead of the sound", |s| {
        sound(s, |v| v.fill(0.0))
    }),
    Fault::introduced(Speech, "no sound at all", |s| sound(s, Vec::clear)),
    Fault::introduced(Speech, "sound doubled in speed", |s| {
        sound(s, |v| *v = v.iter().step_by(2).copied().collect())
    }),
    Fault::introduced(Speech, "sign of the sound flipped", |s| {
        sound(s, |v| v.iter_mut().for_each(|x| *x = -*x))
    }),
    Fault::introduced(Speech, "sound clipped at half of its peak", |s| {
        sound(s, |v| clipped(v))
    }),
    Fault::introduced(Speech, "sound with a DC offset", |s| {
        sound(s, |v| offset(v))
    }),
    Fault::introduced(Speech, "sound quieter by 1 dB", |s| {
        sound(s, |v| v.iter_mut().for_each(|x| *x *= 0.891))
    }),
    Fault::introduced(Speech, "sound rounded to 8 bits", |s| {
        sound(s, |v| {
            let peak = v.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
            let step = peak / 127.0;
            v.iter_mut().for_each(|x| *x = (*x / step).round() * step)
        })
    }),
    Fault::introduced(Speech, "one sample of the sound NaN", |s| {
        sound(s, |v| v.iter_mut().take(1).for_each(|x| *x = f32::NAN))
    }),
    Fault::introduced(Speech, "halves of the sound in the wrong order", |s| {
        sound(s, |v| {
            let half = v.len() / 2;
            v.rotate_left(half)
        })
    }),
    Fault::introduced(
        Speech,
        "the sound of a stream one hop late from its second chunk on",
        seam,
    ),
    Fault::introduced(
        Speech,
        "the sound of a stream without its last chunk",
        last_chunk_dropped,
    ),
    Fault::introduced(SpeechChunks, "the boundary between two chunks moved", |s| {
        tokens(s, SpeechChunks, |v| match v.as_mut_slice() {
            [first, second, ..] => {
                (*first, *second) = (*first - 1, *second + 1);
                true
            }
            _ => false,
        })
    }),
    Fault::introduced(SpeechChunks, "the last chunk lost", |s| {
        tokens(s, SpeechChunks, |v| v.pop().is_some())
    }),
    Fault::introduced(SpeechChunks, "two chunks joined in one", |s| {
        tokens(s, SpeechChunks, |v| {
            let last = v.pop();
            let before = v.last_mut();
            last.zip(before)
                .map(|(last, before)| *before += last)
                .is_some()
        })
    }),
    Fault::recordings(
        Expected::Missing(SpeechChunks),
        "lengths of the chunks not recorded",
        |s| remove(s, SpeechChunks),
    ),
];
