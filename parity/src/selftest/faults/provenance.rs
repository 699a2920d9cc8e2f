use crate::exit::Exit;
use crate::recording::sha256;
use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::{Sides, records};

const fn stale(what: &'static str, plant: fn(&mut Sides) -> bool) -> Fault {
    Fault::recordings(Expected::Stale, what, plant)
}

pub(super) const FAULTS: &[Fault] = &[
    Fault::recordings(
        Expected::Exit(Exit::Failed),
        "a case that the candidate never ran",
        |s| {
            let Some(case) = s.golden.cases.keys().next().cloned() else {
                return false;
            };
            s.cascaded.cases.remove(&case);
            s.isolated.cases.remove(&case).is_some()
        },
    ),
    Fault::recordings(
        Expected::Exit(Exit::NothingCompared),
        "no case at all",
        |s| {
            for recording in [&mut s.golden, &mut s.isolated, &mut s.cascaded] {
                recording.cases.clear();
                recording.manifest.cases.clear();
            }
            true
        },
    ),
    stale("other weights than the golden's", |s| {
        let file = s.cascaded.manifest.model.files.values_mut().next();
        file.map(|f| f.sha256 = sha256(b"others")).is_some()
    }),
    stale("another commit of the reference", |s| {
        s.golden.manifest.engine.commit = Some("0123456789".into());
        true
    }),
    stale("another torch than the limits are for", |s| {
        let torch = s.golden.manifest.libraries.get_mut("torch");
        torch.map(|version| *version = "2.15.0".into()).is_some()
    }),
    stale("another seed than the golden's", |s| {
        records(s, |r| {
            r.case.case.seed ^= 1;
            true
        })
    }),
    stale("another prompt than the golden's", |s| {
        records(s, |r| {
            r.case.prompt_wav_sha256 = sha256(b"another voice");
            true
        })
    }),
    stale("another speed than the golden's", |s| {
        records(s, |r| {
            r.case.case.speed = 1.5;
            true
        })
    }),
    stale("another choice of weights than the golden's", |s| {
        use crate::case::LmSet;
        records(s, |r| {
            r.case.case.lm_weights = match r.case.case.lm_weights {
                Some(LmSet::Rl) => Some(LmSet::Base),
                _ => Some(LmSet::Rl),
            };
            true
        })
    }),
    Fault::file(
        "tensors.safetensors",
        "one bit of the golden's tensors flipped",
        flip,
    ),
    Fault::file("audio.wav", "one bit of the golden's sound flipped", flip),
    Fault::file("case.json", "one bit of the golden's case flipped", flip),
    Fault::file("text.json", "one bit of the golden's texts flipped", flip),
    Fault::file("noise.json", "one bit of the golden's noise flipped", flip),
    Fault::file(
        "tensors.safetensors",
        "the golden's tensors cut off",
        |mut bytes| {
            bytes.truncate(bytes.len() / 2);
            Some(bytes)
        },
    ),
    Fault::file("audio.wav", "the golden's sound deleted", |_| None),
    Fault::file("noise.json", "the golden's noise emptied", |_| {
        Some(b"{}".into())
    }),
];

fn flip(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(1).for_each(|b| *b ^= 1);
    Some(bytes)
}
