//! How far a rule can read a text, for messages about texts that it does not accept.

use crate::fst::{EPSILON, Rule};

/// The byte of `text` at which no reading of `rule` goes on, or its length if the rule reads all of
/// it and cannot end there; `None` if the rule accepts the text.
pub(crate) fn stuck_at(rule: &Rule, text: &[u8]) -> Option<usize> {
    let mut here = States::new(rule);
    let mut ahead = States::new(rule);
    here.add(rule.start());
    for (at, &byte) in text.iter().enumerate() {
        // A NUL advances the text without the rule, as in OpenFst.
        if byte == EPSILON {
            continue;
        }
        here.follow_silent(rule);
        for &state in &here.list {
            for arc in rule.reading(state, byte) {
                ahead.add(arc.next);
            }
        }
        if ahead.list.is_empty() {
            return Some(at);
        }
        here.clear();
        std::mem::swap(&mut here, &mut ahead);
    }
    here.follow_silent(rule);
    let ends = |&state: &u32| rule.final_weight(state) != f32::INFINITY;
    (!here.list.iter().any(ends)).then_some(text.len())
}

/// A set of the rule's states, in the order in which they were added.
struct States {
    list: Vec<u32>,
    has: Vec<bool>,
}

impl States {
    fn new(rule: &Rule) -> Self {
        Self {
            list: Vec::new(),
            has: vec![false; rule.states()],
        }
    }

    fn add(&mut self, state: u32) {
        if !std::mem::replace(&mut self.has[state as usize], true) {
            self.list.push(state);
        }
    }

    fn follow_silent(&mut self, rule: &Rule) {
        let mut at = 0;
        while let Some(&state) = self.list.get(at) {
            for arc in rule.silent(state) {
                self.add(arc.next);
            }
            at += 1;
        }
    }

    fn clear(&mut self) {
        for state in self.list.drain(..) {
            self.has[state as usize] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fst::testing::file;

    #[test]
    fn the_byte_that_no_reading_accepts_is_found() {
        // Reads "ab" any number of times, with a silent arc back to the start.
        let rule = Rule::parse(&file(
            0,
            &[
                (0.0, &[(97, 97, 0.0, 1)]),
                (f32::INFINITY, &[(98, 98, 0.0, 2)]),
                (f32::INFINITY, &[(0, 0, 0.0, 0)]),
            ],
        ))
        .unwrap();
        for (text, stuck) in [
            ("", None),
            ("ab", None),
            ("abab", None),
            ("a\0b", None),
            ("aba", Some(3)),
            ("abb", Some(2)),
            ("x", Some(0)),
        ] {
            assert_eq!(stuck_at(&rule, text.as_bytes()), stuck, "{text:?}");
        }
    }
}
