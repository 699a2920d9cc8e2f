use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::{
    add_noise, copied, edit, floats, half_precision, in_cascaded, late, remove, shortened,
};
use crate::stage::Stage::{FlowMel, FlowMu, FlowStep};

pub(super) const FAULTS: &[Fault] = &[
    Fault::introduced(FlowMu, "conditioning of the flow a little too loud", |s| {
        floats(s, FlowMu, |v| v.iter_mut().for_each(|x| *x *= 1.001))
    }),
    Fault::introduced(FlowMu, "conditioning one frame late", |s| late(s, FlowMu)),
    Fault::introduced(FlowMu, "channels of the conditioning reversed", |s| {
        floats(s, FlowMu, |v| v.reverse())
    }),
    Fault::introduced(FlowStep(1), "flow started from other noise", |s| {
        floats(s, FlowStep(1), |v| add_noise(v, 1.0))
    }),
    Fault::introduced(
        FlowStep(2),
        "noise added in the second half of a step alone",
        |s| {
            floats(s, FlowStep(2), |v| {
                let middle = v.len() / 2;
                add_noise(&mut v[middle..], 0.01)
            })
        },
    ),
    Fault::introduced(FlowStep(3), "a step without guidance", |s| {
        floats(s, FlowStep(3), |v| v.iter_mut().for_each(|x| *x *= 0.7))
    }),
    Fault::introduced(FlowStep(4), "sign of a step flipped", |s| {
        floats(s, FlowStep(4), |v| v.iter_mut().for_each(|x| *x = -*x))
    }),
    Fault::introduced(FlowStep(5), "NaN in an Euler step", |s| {
        floats(s, FlowStep(5), |v| {
            v.iter_mut().take(1).for_each(|x| *x = f32::NAN)
        })
    }),
    Fault::introduced(FlowStep(6), "output of one layer scaled by 1.02", |s| {
        floats(s, FlowStep(6), |v| v.iter_mut().for_each(|x| *x *= 1.02))
    }),
    Fault::recordings(
        Expected::Missing(FlowStep(7)),
        "an Euler step not recorded",
        |s| remove(s, FlowStep(7)),
    ),
    Fault::introduced(FlowStep(8), "an Euler step rounded to 16-bit floats", |s| {
        floats(s, FlowStep(8), |v| half_precision(v))
    }),
    Fault::introduced(FlowStep(10), "an Euler step left out", |s| {
        copied(s, FlowStep(9), FlowStep(10))
    }),
    Fault::introduced(FlowMel, "mel 1 % too loud, which no cosine shows", |s| {
        floats(s, FlowMel, |v| v.iter_mut().for_each(|x| *x *= 1.01))
    }),
    Fault::introduced(FlowMel, "one value of the mel off by a tenth", |s| {
        floats(s, FlowMel, |v| v.iter_mut().take(1).for_each(|x| *x += 0.1))
    }),
    Fault::introduced(FlowMel, "mel one frame late", |s| late(s, FlowMel)),
    Fault::introduced(FlowMel, "mel all zero", |s| {
        floats(s, FlowMel, |v| v.fill(0.0))
    }),
    Fault::introduced(FlowMel, "channels of the mel reversed", |s| {
        floats(s, FlowMel, |v| v.reverse())
    }),
    Fault::introduced(FlowMel, "mel rounded to 16-bit floats", |s| {
        floats(s, FlowMel, |v| half_precision(v))
    }),
    Fault::introduced(FlowMel, "last frame of the mel lost", |s| {
        edit(s, FlowMel, |a| shortened(a, 1, 1))
    }),
    Fault::recordings(
        Expected::Inherited(FlowMel),
        "a mel that is wrong only from end to end",
        |s| {
            in_cascaded(s, |s| {
                floats(s, FlowMel, |v| v.iter_mut().for_each(|x| *x *= 1.01))
            })
        },
    ),
];
