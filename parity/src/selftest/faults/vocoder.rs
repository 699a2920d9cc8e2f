use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::{
    add_noise, clipped, edit, floats, half_precision, in_cascaded, offset, remove, truncated,
};
use crate::stage::Stage::{VocoderF0, VocoderSource, VocoderWav};

pub(super) const FAULTS: &[Fault] = &[
    Fault::introduced(
        VocoderF0,
        "last frame of the fundamental frequency lost",
        |s| edit(s, VocoderF0, |a| truncated(a, 1)),
    ),
    Fault::introduced(VocoderF0, "fundamental frequency an octave low", |s| {
        floats(s, VocoderF0, |v| v.iter_mut().for_each(|x| *x *= 0.5))
    }),
    Fault::introduced(VocoderF0, "fundamental frequency an octave high", |s| {
        floats(s, VocoderF0, |v| v.iter_mut().for_each(|x| *x *= 2.0))
    }),
    Fault::introduced(VocoderF0, "one frame unvoiced", |s| {
        floats(s, VocoderF0, |v| {
            let voiced = v.iter_mut().find(|x| **x != 0.0);
            voiced.into_iter().for_each(|x| *x = 0.0)
        })
    }),
    Fault::introduced(VocoderF0, "fundamental frequency one frame late", |s| {
        floats(s, VocoderF0, |v| v.rotate_right(1))
    }),
    Fault::introduced(VocoderSource, "excitation with other noise", |s| {
        floats(s, VocoderSource, |v| add_noise(v, 0.01))
    }),
    Fault::introduced(VocoderSource, "sign of the excitation flipped", |s| {
        floats(s, VocoderSource, |v| v.iter_mut().for_each(|x| *x = -*x))
    }),
    Fault::introduced(VocoderSource, "excitation one sample late", |s| {
        floats(s, VocoderSource, |v| v.rotate_right(1))
    }),
    Fault::introduced(VocoderSource, "excitation NaN at its end", |s| {
        floats(s, VocoderSource, |v| {
            v.iter_mut().rev().take(1).for_each(|x| *x = f32::NAN)
        })
    }),
    Fault::introduced(VocoderWav, "waveform one sample late", |s| {
        floats(s, VocoderWav, |v| v.rotate_right(1))
    }),
    Fault::introduced(VocoderWav, "waveform 1 % too loud", |s| {
        floats(s, VocoderWav, |v| v.iter_mut().for_each(|x| *x *= 1.01))
    }),
    Fault::introduced(VocoderWav, "waveform with a DC offset", |s| {
        floats(s, VocoderWav, |v| offset(v))
    }),
    Fault::introduced(VocoderWav, "waveform clipped at half of its peak", |s| {
        floats(s, VocoderWav, |v| clipped(v))
    }),
    Fault::introduced(VocoderWav, "sign of the waveform flipped", |s| {
        floats(s, VocoderWav, |v| v.iter_mut().for_each(|x| *x = -*x))
    }),
    Fault::introduced(VocoderWav, "waveform rounded to 16-bit floats", |s| {
        floats(s, VocoderWav, |v| half_precision(v))
    }),
    Fault::introduced(VocoderWav, "a stretch of the waveform zero", |s| {
        floats(s, VocoderWav, |v| {
            let n = v.len();
            v[n / 2..].iter_mut().take(480).for_each(|x| *x = 0.0)
        })
    }),
    Fault::introduced(VocoderWav, "second half of the waveform lost", |s| {
        edit(s, VocoderWav, |a| truncated(a, a.len() / 2))
    }),
    Fault::recordings(
        Expected::Missing(VocoderWav),
        "waveform not recorded",
        |s| remove(s, VocoderWav),
    ),
    Fault::recordings(
        Expected::Inherited(VocoderSource),
        "an excitation that is wrong only from end to end",
        |s| in_cascaded(s, |s| floats(s, VocoderSource, |v| v.rotate_right(1))),
    ),
];
