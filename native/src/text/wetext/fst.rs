//! Rule files: OpenFst transducers from UTF-8 bytes to UTF-8 bytes.

use std::path::Path;

use crate::{Error, Result};

const MAGIC: i32 = 2_125_659_606;
/// Bits of the header's flags that announce symbol tables or padding in the body.
const UNREAD_FLAGS: i32 = 1 | 2 | 4;
/// Bytes of an arc in the file.
const ARC_SIZE: usize = 16;
/// Bytes of a state in the file, less its arcs.
const STATE_SIZE: usize = 12;

/// The label that reads or writes nothing.
pub(super) const EPSILON: u8 = 0;

/// One arc of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuleArc {
    /// The byte that is read, or [`EPSILON`].
    pub(super) input: u8,
    /// The byte that is written, or [`EPSILON`].
    pub(super) output: u8,
    /// The cost of taking it, finite.
    pub(super) weight: f32,
    /// The state it leads to, below the number of states.
    pub(super) next: u32,
}

/// A transducer over bytes whose arcs are sorted by input within each state, and in which no
/// path leads back to a state without reading.
#[derive(Debug)]
pub(in crate::text) struct Rule {
    start: u32,
    arcs: Vec<RuleArc>,
    /// Where the arcs of each state begin; one entry more than there are states.
    first: Vec<u32>,
    /// The cost of ending in a state, infinite where a path may not end.
    finals: Vec<f32>,
}

impl Rule {
    /// Reads and checks a rule file.
    pub(in crate::text) fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        Self::parse(&bytes)
            .map_err(|reason| Error::format(path, format!("not a usable rule file: {reason}")))
    }

    /// Reads the bytes of a rule file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { rest: bytes };
        if reader.i32()? != MAGIC {
            return Err("it does not begin as an OpenFst file".into());
        }
        for (what, expected) in [("kind", "vector"), ("arc type", "standard")] {
            let found = reader.string()?;
            if found != expected.as_bytes() {
                let found = String::from_utf8_lossy(found);
                return Err(format!(
                    "its {what} is `{found}`, only `{expected}` is read"
                ));
            }
        }
        let _version = reader.i32()?;
        if reader.i32()? & UNREAD_FLAGS != 0 {
            return Err("it carries symbol tables or is padded".into());
        }
        let _properties = reader.i64()?;
        let start = reader.i64()?;
        let states = reader.i64()?;
        let _arcs = reader.i64()?;
        // Each state takes some bytes, so a count that the file cannot hold allocates nothing.
        let states = usize::try_from(states)
            .ok()
            .filter(|&n| n <= reader.rest.len() / STATE_SIZE && n < u32::MAX as usize)
            .ok_or_else(|| format!("it announces {states} states, more than it can hold"))?;
        let start = u32::try_from(start)
            .ok()
            .filter(|&s| (s as usize) < states)
            .ok_or_else(|| format!("its start state {start} is not one of its {states}"))?;
        let mut rule = Self {
            start,
            arcs: Vec::with_capacity(
                reader.rest.len().saturating_sub(states * STATE_SIZE) / ARC_SIZE,
            ),
            first: Vec::with_capacity(states + 1),
            finals: Vec::with_capacity(states),
        };
        for state in 0..states {
            rule.read_state(&mut reader, states)
                .map_err(|e| format!("state {state}: {e}"))?;
        }
        rule.first.push(rule.arcs.len() as u32);
        if !reader.rest.is_empty() {
            return Err(format!("{} bytes follow its last state", reader.rest.len()));
        }
        rule.refuse_silent_cycles()?;
        Ok(rule)
    }

    fn read_state(&mut self, reader: &mut Reader<'_>, states: usize) -> Result<(), String> {
        self.first.push(self.arcs.len() as u32);
        let weight = reader.f32()?;
        if weight.is_nan() || weight == f32::NEG_INFINITY {
            return Err(format!("its final weight is {weight}"));
        }
        self.finals.push(weight);
        let count = reader.i64()?;
        let count = usize::try_from(count)
            .ok()
            .filter(|&n| n <= reader.rest.len() / ARC_SIZE)
            .ok_or_else(|| format!("it announces {count} arcs, more than the file can hold"))?;
        let mut previous = EPSILON;
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
            self.arcs.push(RuleArc {
                input,
                output,
                weight,
                next,
            });
        }
        if self.arcs.len() > u32::MAX as usize {
            return Err("the file has too many arcs".into());
        }
        Ok(())
    }

    /// Rules in use have no cycle that reads nothing; with one the number of paths over a text
    /// would be unbounded, and a negative cost on it would leave no shortest.
    fn refuse_silent_cycles(&self) -> Result<(), String> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.finals.len()];
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in 0..self.finals.len() as u32 {
            if marks[root as usize] != Mark::New {
                continue;
            }
            marks[root as usize] = Mark::Open;
            path.push((root, 0));
            while let Some((state, taken)) = path.last_mut() {
                let Some(arc) = self.silent(*state).get(*taken) else {
                    marks[*state as usize] = Mark::Done;
                    path.pop();
                    continue;
                };
                *taken += 1;
                match marks[arc.next as usize] {
                    Mark::Open => {
                        return Err(format!(
                            "state {} leads back to itself without reading",
                            arc.next
                        ));
                    }
                    Mark::Done => {}
                    Mark::New => {
                        marks[arc.next as usize] = Mark::Open;
                        path.push((arc.next, 0));
                    }
                }
            }
        }
        Ok(())
    }

    /// The state every path begins in.
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// Number of states.
    pub(super) fn states(&self) -> usize {
        self.finals.len()
    }

    /// The cost of ending in `state`, infinite where a path may not end.
    pub(super) fn final_weight(&self, state: u32) -> f32 {
        self.finals[state as usize]
    }

    /// The arcs of `state`, sorted by input.
    fn arcs(&self, state: u32) -> &[RuleArc] {
        let state = state as usize;
        &self.arcs[self.first[state] as usize..self.first[state + 1] as usize]
    }

    /// The arcs of `state` that read nothing, in file order.
    pub(super) fn silent(&self, state: u32) -> &[RuleArc] {
        self.reading(state, EPSILON)
    }

    /// The arcs of `state` that read `input`, in file order.
    pub(super) fn reading(&self, state: u32, input: u8) -> &[RuleArc] {
        let arcs = self.arcs(state);
        let from = arcs.partition_point(|arc| arc.input < input);
        let count = arcs[from..].partition_point(|arc| arc.input == input);
        &arcs[from..from + count]
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or("the file is cut short")?;
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
        u8::try_from(label).map_err(|_| format!("an arc's label is {label}, which is no byte"))
    }
}

impl<'a> Reader<'a> {
    fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.i32()?;
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|n| self.rest.split_at_checked(n))
            .ok_or("the file is cut short")?;
        self.rest = rest;
        Ok(taken)
    }
}
