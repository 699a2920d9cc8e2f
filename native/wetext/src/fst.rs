//! Rule files: OpenFst transducers from UTF-8 bytes to UTF-8 bytes.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Error;

/// Begins what Git LFS leaves in place of a file that it has not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
const MAGIC: i32 = 2_125_659_606;
/// Header flags for symbol tables and padding in the body, which are not supported.
const UNREAD_FLAGS: i32 = 1 | 2 | 4;
/// Bytes per arc in the file.
const ARC_SIZE: usize = 16;
/// Bytes per state in the file, without its arcs.
const STATE_SIZE: usize = 12;

/// wetext's largest rule file has 6.4 MB. The limit also keeps every index within 32 bits.
const MAX_SIZE: usize = 1 << 30;

/// The label of an arc that reads or writes nothing.
pub(crate) const EPSILON: u8 = 0;

/// One arc of a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuleArc {
    /// The byte read, or [`EPSILON`].
    pub(crate) input: u8,
    /// The byte written, or [`EPSILON`].
    pub(crate) output: u8,
    /// The cost of taking the arc; finite.
    pub(crate) weight: f32,
    /// The state it leads to.
    pub(crate) next: u32,
}

/// A transducer over bytes. Arcs are sorted by input within each state, and every cycle reads
/// something.
#[derive(Debug)]
pub(crate) struct Rule {
    start: u32,
    arcs: Vec<RuleArc>,
    /// Index of each state's first arc, and the number of arcs at the end.
    first: Vec<u32>,
    /// Index of each state's first arc that reads something.
    reading: Vec<u32>,
    /// The cost of ending in each state; infinite if a path cannot end there.
    finals: Vec<f32>,
}

impl Rule {
    /// Reads and checks a rule file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let bytes = if file.metadata().map_err(failed)?.is_file() {
            // One byte more than the limit, so that a file beyond it is seen to be.
            let mut bytes = Vec::new();
            let mut file = file.take(MAX_SIZE as u64 + 1);
            file.read_to_end(&mut bytes).map_err(failed)?;
            Ok(bytes)
        } else {
            Err("it is no regular file".to_owned())
        };
        let rule = bytes.and_then(|bytes| Self::parse(&bytes));
        rule.map_err(|reason| Error::Format {
            path: path.to_owned(),
            reason: format!("not a usable rule file: {reason}"),
        })
    }

    /// Reads the bytes of a rule file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_SIZE {
            return Err(format!(
                "it has {} bytes, more than the limit of {MAX_SIZE}",
                bytes.len()
            ));
        }
        if bytes.starts_with(LFS_POINTER) {
            return Err(
                "it is a Git LFS pointer, not the file itself: run `git lfs pull` where it was \
                 cloned"
                    .into(),
            );
        }
        let mut reader = Reader { rest: bytes };
        if reader.i32()? != MAGIC {
            return Err("it does not begin like an OpenFst file".into());
        }
        for (what, expected) in [("kind", "vector"), ("arc type", "standard")] {
            let found = reader.string()?;
            if found != expected.as_bytes() {
                let found = String::from_utf8_lossy(found);
                return Err(format!("its {what} is `{found}` (expected `{expected}`)"));
            }
        }
        let _version = reader.i32()?;
        if reader.i32()? & UNREAD_FLAGS != 0 {
            return Err("it has symbol tables or padding, which are not supported".into());
        }
        let _properties = reader.i64()?;
        let start = reader.i64()?;
        let states = reader.i64()?;
        let _arcs = reader.i64()?;
        // Checked before anything is allocated for the states.
        let states = usize::try_from(states)
            .ok()
            .filter(|&n| n <= reader.rest.len() / STATE_SIZE)
            .ok_or_else(|| format!("its header states {states} states, more than it can hold"))?;
        let start = u32::try_from(start)
            .ok()
            .filter(|&s| (s as usize) < states)
            .ok_or_else(|| format!("its start state {start} does not exist (it has {states})"))?;
        let mut rule = Self {
            start,
            arcs: Vec::with_capacity(
                reader.rest.len().saturating_sub(states * STATE_SIZE) / ARC_SIZE,
            ),
            first: Vec::with_capacity(states + 1),
            reading: Vec::with_capacity(states),
            finals: Vec::with_capacity(states),
        };
        for state in 0..states {
            rule.read_state(&mut reader, states)
                .map_err(|e| format!("state {state}: {e}"))?;
        }
        rule.first.push(rule.arc_count()?);
        if !reader.rest.is_empty() {
            return Err(format!("{} bytes follow its last state", reader.rest.len()));
        }
        rule.refuse_silent_cycles()?;
        Ok(rule)
    }

    fn read_state(&mut self, reader: &mut Reader<'_>, states: usize) -> Result<(), String> {
        let begin = self.arc_count()?;
        self.first.push(begin);
        let weight = reader.f32()?;
        if weight.is_nan() || weight == f32::NEG_INFINITY {
            return Err(format!("its final weight is {weight}"));
        }
        self.finals.push(weight);
        let count = reader.i64()?;
        let count = usize::try_from(count)
            .ok()
            .filter(|&n| n <= reader.rest.len() / ARC_SIZE)
            .ok_or_else(|| format!("it states {count} arcs, more than the file can hold"))?;
        let mut previous = EPSILON;
        let mut silent = begin;
        for _ in 0..count {
            let (input, output) = (reader.label()?, reader.label()?);
            let (weight, next) = (reader.f32()?, reader.i32()?);
            if !weight.is_finite() {
                return Err(format!("an arc's weight is {weight}"));
            }
            let next = u32::try_from(next)
                .ok()
                .filter(|&s| (s as usize) < states)
                .ok_or_else(|| format!("an arc leads to state {next} of {states}"))?;
            if input < previous {
                return Err("its arcs are not sorted by input".into());
            }
            previous = input;
            silent += u32::from(input == EPSILON);
            self.arcs.push(RuleArc {
                input,
                output,
                weight,
                next,
            });
        }
        self.reading.push(silent);
        Ok(())
    }

    fn arc_count(&self) -> Result<u32, String> {
        u32::try_from(self.arcs.len()).map_err(|_| "it has more than 2^32 arcs".to_owned())
    }

    /// With a cycle that reads nothing, a text would have infinitely many paths, and a negative
    /// cost on the cycle would leave no shortest one. wetext's rules have no such cycle.
    fn refuse_silent_cycles(&self) -> Result<(), String> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.finals.len()];
        let mut mark = |state: u32, new: Mark| {
            let mark = marks.get_mut(state as usize);
            // Every arc leads to a state that exists.
            mark.map_or(Mark::Done, |mark| std::mem::replace(mark, new))
        };
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in (0u32..).take(self.finals.len()) {
            match mark(root, Mark::Open) {
                Mark::New => path.push((root, 0)),
                seen => {
                    mark(root, seen);
                }
            }
            while let Some((state, taken)) = path.last_mut() {
                let Some(arc) = self.silent(*state).get(*taken) else {
                    mark(*state, Mark::Done);
                    path.pop();
                    continue;
                };
                *taken += 1;
                match mark(arc.next, Mark::Open) {
                    Mark::Open => {
                        return Err(format!(
                            "state {} leads back to itself without reading",
                            arc.next
                        ));
                    }
                    Mark::Done => {
                        mark(arc.next, Mark::Done);
                    }
                    Mark::New => path.push((arc.next, 0)),
                }
            }
        }
        Ok(())
    }

    /// The state in which every path begins.
    pub(crate) fn start(&self) -> u32 {
        self.start
    }

    /// Number of states.
    pub(crate) fn states(&self) -> usize {
        self.finals.len()
    }

    /// The cost of ending in `state`; infinite if a path cannot end there.
    pub(crate) fn final_weight(&self, state: u32) -> f32 {
        let weight = self.finals.get(state as usize);
        weight.copied().unwrap_or(f32::INFINITY)
    }

    /// The arcs of `state` that read nothing, in file order.
    pub(crate) fn silent(&self, state: u32) -> &[RuleArc] {
        let state = state as usize;
        self.between(self.first.get(state), self.reading.get(state))
    }

    /// The arcs of `state` that read `input` (not [`EPSILON`]), in file order.
    pub(crate) fn reading(&self, state: u32, input: u8) -> &[RuleArc] {
        let state = state as usize;
        let arcs = self.between(self.reading.get(state), self.first.get(state + 1));
        let (_, arcs) = arcs.split_at(arcs.partition_point(|arc| arc.input < input));
        let count = arcs.iter().take_while(|arc| arc.input == input).count();
        arcs.split_at(count).0
    }

    /// The arcs from one index to another; none of a state that does not exist.
    fn between(&self, from: Option<&u32>, to: Option<&u32>) -> &[RuleArc] {
        let range = from.zip(to).map(|(&from, &to)| from as usize..to as usize);
        range.and_then(|r| self.arcs.get(r)).unwrap_or_default()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or("the file is truncated")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn i32(&mut self) -> Result<i32, String> {
        self.take().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, String> {
        self.take().map(i64::from_le_bytes)
    }

    fn f32(&mut self) -> Result<f32, String> {
        self.take().map(f32::from_le_bytes)
    }

    fn label(&mut self) -> Result<u8, String> {
        let label = self.i32()?;
        u8::try_from(label).map_err(|_| format!("an arc's label is {label}, which is not a byte"))
    }

    fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.i32()?;
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|n| self.rest.split_at_checked(n))
            .ok_or("the file is truncated")?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::MAGIC;

    /// Input, output, weight and next state of an arc.
    pub(crate) type TestArc = (i32, i32, f32, i32);

    /// The bytes of a rule file of the given states, each a final weight and its arcs.
    pub(crate) fn file(start: i64, states: &[(f32, &[TestArc])]) -> Vec<u8> {
        let mut file = MAGIC.to_le_bytes().to_vec();
        for name in ["vector", "standard"] {
            file.extend((name.len() as i32).to_le_bytes());
            file.extend(name.as_bytes());
        }
        file.extend(
            [/* version */ 2_i32, /* flags */ 0]
                .map(i32::to_le_bytes)
                .concat(),
        );
        file.extend(
            [/* properties */ 3, start, states.len() as i64, 0]
                .map(i64::to_le_bytes)
                .concat(),
        );
        for (weight, arcs) in states {
            file.extend(weight.to_le_bytes());
            file.extend((arcs.len() as i64).to_le_bytes());
            for (input, output, weight, next) in *arcs {
                file.extend(input.to_le_bytes());
                file.extend(output.to_le_bytes());
                file.extend(weight.to_le_bytes());
                file.extend(next.to_le_bytes());
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{TestArc, file};
    use super::*;

    const A: i32 = b'a' as i32;

    fn refused(start: i64, states: &[(f32, &[TestArc])]) -> String {
        Rule::parse(&file(start, states)).unwrap_err()
    }

    #[test]
    fn a_valid_file_is_read_arc_by_arc() {
        let rule = Rule::parse(&file(
            1,
            &[
                (0.5, &[]),
                (
                    f32::INFINITY,
                    &[(0, A, 0.25, 0), (A, 0, -1.0, 1), (A, 98, 2.0, 0)],
                ),
            ],
        ))
        .unwrap();
        assert_eq!(
            (rule.start(), rule.states(), rule.final_weight(0)),
            (1, 2, 0.5)
        );
        let arcs = |arcs: &[RuleArc]| -> Vec<_> {
            arcs.iter()
                .map(|arc| (arc.input, arc.output, arc.weight, arc.next))
                .collect()
        };
        assert_eq!(arcs(rule.silent(1)), [(0, b'a', 0.25, 0)]);
        assert_eq!(
            arcs(rule.reading(1, b'a')),
            [(b'a', 0, -1.0, 1), (b'a', b'b', 2.0, 0)]
        );
        assert!(rule.reading(1, b'b').is_empty() && rule.silent(0).is_empty());
    }

    #[test]
    fn an_invalid_rule_is_refused_with_the_reason() {
        let inf = f32::INFINITY;
        for (reason, found) in [
            ("start state 2", refused(2, &[(0.0, &[]), (0.0, &[])])),
            ("start state -1", refused(-1, &[])),
            (
                "leads to state 7 of 1",
                refused(0, &[(0.0, &[(A, A, 0.0, 7)])]),
            ),
            (
                "leads to state -1",
                refused(0, &[(0.0, &[(A, A, 0.0, -1)])]),
            ),
            ("label is 256", refused(0, &[(0.0, &[(256, A, 0.0, 0)])])),
            ("label is -1", refused(0, &[(0.0, &[(A, -1, 0.0, 0)])])),
            (
                "weight is NaN",
                refused(0, &[(0.0, &[(A, A, f32::NAN, 0)])]),
            ),
            ("weight is inf", refused(0, &[(0.0, &[(A, A, inf, 0)])])),
            ("final weight is -inf", refused(0, &[(-inf, &[])])),
            (
                "not sorted",
                refused(0, &[(0.0, &[(98, A, 0.0, 0), (A, A, 0.0, 0)])]),
            ),
            (
                "without reading",
                refused(0, &[(0.0, &[(0, A, 1.0, 1)]), (0.0, &[(0, A, 1.0, 0)])]),
            ),
            ("without reading", refused(0, &[(0.0, &[(0, A, 1.0, 0)])])),
            ("follow its last state", {
                Rule::parse(&[&file(0, &[(0.0, &[])])[..], b"x"].concat()).unwrap_err()
            }),
            (
                "does not begin",
                Rule::parse(b"<html>404 not found</html>").unwrap_err(),
            ),
        ] {
            assert!(
                found.contains(reason),
                "`{found}` does not contain `{reason}`"
            );
        }
    }

    #[test]
    fn a_file_truncated_anywhere_is_refused() {
        let whole = file(
            0,
            &[
                (0.0, &[(A, A, 0.0, 1), (98, 98, 0.5, 0)]),
                (1.0, &[(A, A, 0.0, 0)]),
            ],
        );
        assert!(Rule::parse(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(
                Rule::parse(&whole[..length]).is_err(),
                "{length} of {}",
                whole.len()
            );
        }
    }

    #[test]
    fn counts_that_the_file_cannot_hold_are_refused_before_allocating() {
        let mut states = file(0, &[(0.0, &[])]);
        let header = states.len() - STATE_SIZE;
        states[header - 16..header - 8].copy_from_slice(&i64::MAX.to_le_bytes());
        assert!(
            Rule::parse(&states)
                .unwrap_err()
                .contains("more than it can hold")
        );
        let mut arcs = file(0, &[(0.0, &[])]);
        let end = arcs.len();
        arcs[end - 8..].copy_from_slice(&(i64::MAX / 2).to_le_bytes());
        assert!(
            Rule::parse(&arcs)
                .unwrap_err()
                .contains("more than the file can hold")
        );
    }

    #[test]
    fn an_unreadable_rule_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tagger.fst");
        assert!(matches!(Rule::open(&path), Err(Error::Io { .. })));
        std::fs::write(&path, b"nothing of the kind").unwrap();
        let message = Rule::open(&path).unwrap_err().to_string();
        assert!(
            message.contains("tagger.fst: not a usable rule file"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_or_refused(bytes: Vec<u8>) {
            let _ = Rule::parse(&bytes);
        }

        #[test]
        fn a_changed_byte_is_accepted_or_refused(at in 0_usize..160, to: u8) {
            let mut bytes = file(0, &[(0.0, &[(0, A, 0.0, 1), (98, 98, 0.5, 0)]), (1.0, &[(A, A, 0.0, 0)])]);
            let length = bytes.len();
            bytes[at % length] = to;
            if let Ok(rule) = Rule::parse(&bytes) {
                let _ = crate::shortest_path::rewrite(&rule, b"abba");
            }
        }
    }
}
