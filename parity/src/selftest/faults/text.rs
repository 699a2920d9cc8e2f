use crate::selftest::fault::Fault;
use crate::selftest::plant::{records, segment};
use crate::stage::Stage::{TextIds, TextNormalized};

pub(super) const FAULTS: &[Fault] = &[
    Fault::introduced(
        TextNormalized,
        "one character of the normalised text changed",
        |s| {
            segment(s, |segment| {
                segment.text.push('.');
                true
            })
        },
    ),
    Fault::introduced(TextNormalized, "the text of a segment lost", |s| {
        segment(s, |segment| !std::mem::take(&mut segment.text).is_empty())
    }),
    Fault::introduced(TextNormalized, "one segment of the text lost", |s| {
        records(s, |r| {
            r.text.segments.len() > 1 && r.text.segments.pop().is_some()
        })
    }),
    Fault::introduced(TextNormalized, "two segments in the wrong order", |s| {
        records(s, |r| match r.text.segments.as_mut_slice() {
            [first, second, ..] if first.text != second.text => {
                std::mem::swap(first, second);
                true
            }
            _ => false,
        })
    }),
    Fault::introduced(TextNormalized, "the prompt's text lost", |s| {
        records(s, |r| {
            r.text.prompt_text.take().is_some_and(|t| !t.is_empty())
        })
    }),
    Fault::introduced(TextIds, "one text id lost", |s| {
        segment(s, |segment| segment.ids.pop().is_some())
    }),
    Fault::introduced(TextIds, "one text id too many", |s| {
        segment(s, |segment| {
            segment.ids.push(0);
            true
        })
    }),
    Fault::introduced(TextIds, "two text ids in the wrong order", |s| {
        segment(s, |segment| match segment.ids.as_mut_slice() {
            [first, second, ..] if first != second => {
                std::mem::swap(first, second);
                true
            }
            _ => false,
        })
    }),
    Fault::introduced(TextIds, "the ids of the prompt's text lost", |s| {
        records(s, |r| !std::mem::take(&mut r.text.prompt_ids).is_empty())
    }),
];
