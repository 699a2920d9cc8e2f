use std::collections::{BTreeSet, VecDeque};

use crate::case::{Case, CaseFile, ModeName, Text};

/// Keeps at most `most` cases, in turn of every mode: zero-shot, with a saved speaker,
/// cross-lingual, instruct, and from the beginning again.
///
/// Left out are conversions, which draw no tokens; texts in pieces, which end by rules of their
/// own; and cases that would only say the same again, such as one text streamed, or with other
/// seeds.
#[must_use]
pub fn choose(mut file: CaseFile, most: usize) -> CaseFile {
    let kind = |case: &Case| match (case.mode_name(), &case.speaker) {
        (ModeName::ZeroShot, None) => 0,
        (_, Some(_)) => 1,
        (ModeName::CrossLingual, None) => 2,
        _ => 3,
    };
    let mut said = BTreeSet::new();
    let mut kinds: [VecDeque<Case>; 4] = Default::default();
    for case in file.cases.drain(..).filter(is_usable) {
        let text = case.text().map(Text::joined);
        let text = (kind(&case), case.instruct().map(str::to_owned), text);
        if said.insert(text)
            && let Some(kind) = kinds.get_mut(kind(&case))
        {
            kind.push_back(case);
        }
    }
    while file.cases.len() < most && kinds.iter().any(|kind| !kind.is_empty()) {
        let next = kinds.iter_mut().filter_map(VecDeque::pop_front);
        let left = most - file.cases.len();
        file.cases.extend(next.take(left));
    }
    file
}

/// Whether a case's tokens are drawn by the reference's usual loop, from one text.
fn is_usable(case: &Case) -> bool {
    !case.is_conversion() && !case.in_pieces() && !case.stream && case.lm_weights.is_none()
}
