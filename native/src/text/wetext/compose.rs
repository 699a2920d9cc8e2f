//! A rule composed with a stretch of text: every path the rule allows over it.

use super::fst::{EPSILON, Rule};

/// Past this many arcs (0.8 GB of them) a text is refused.
const MAX_ARCS: usize = 1 << 26;

/// A stretch of text allows more than [`MAX_ARCS`] arcs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// One arc of a [`Lattice`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Arc {
    /// The cost of taking it, finite.
    pub(super) weight: f32,
    /// The state it leads to.
    pub(super) next: u32,
    /// The byte that is written, or [`EPSILON`].
    pub(super) output: u8,
}

/// The rule's states that are reached at each position of a stretch of text, and the arcs
/// between them, in the order in which OpenFst composes them: a state's silent arcs first,
/// then those that read the next byte, both in file order.
///
/// States are numbered by position, the entry is state 0. Every arc leads to the same or to
/// the next position and no rule has silent cycles, so the lattice has no cycles either.
#[derive(Debug)]
pub(super) struct Lattice {
    rule_state: Vec<u32>,
    /// Where the arcs of each state begin; one entry more than there are states.
    first: Vec<u32>,
    arcs: Vec<Arc>,
    /// The first state at each position; one entry more than there are bytes.
    positions: Vec<u32>,
}

impl Lattice {
    /// Number of states.
    pub(super) fn states(&self) -> usize {
        self.rule_state.len()
    }

    /// The state of the rule that is behind `state`.
    pub(super) fn rule_state(&self, state: u32) -> u32 {
        self.rule_state[state as usize]
    }

    /// The arcs of `state`.
    pub(super) fn arcs(&self, state: u32) -> &[Arc] {
        let state = state as usize;
        &self.arcs[self.first[state] as usize..self.first[state + 1] as usize]
    }

    /// The first state after `position` bytes.
    pub(super) fn first_at(&self, position: usize) -> u32 {
        self.positions[position]
    }

    /// Number of bytes.
    pub(super) fn length(&self) -> usize {
        self.positions.len() - 1
    }

    fn close_state(&mut self) {
        self.first.push(self.arcs.len() as u32);
    }
}

/// Composes one rule with one stretch of text after the other.
pub(super) struct Composer<'a> {
    rule: &'a Rule,
    here: Numbering,
    ahead: Numbering,
}

impl<'a> Composer<'a> {
    /// A composer of `rule`.
    pub(super) fn new(rule: &'a Rule) -> Self {
        let numbering = || Numbering {
            given: vec![0; rule.states()],
            begin: 0,
        };
        Self {
            rule,
            here: numbering(),
            ahead: numbering(),
        }
    }

    /// The lattice of `text` entered in the rule's state `entry`.
    ///
    /// At the position after the last byte silent arcs are followed only if `at_end`, that is
    /// if nothing comes after it.
    pub(super) fn compose(
        &mut self,
        entry: u32,
        text: &[u8],
        at_end: bool,
    ) -> Result<Lattice, TooLarge> {
        let mut lattice = Lattice {
            rule_state: vec![entry],
            first: vec![0],
            arcs: vec![],
            positions: vec![0],
        };
        self.here.given[entry as usize] = 0;
        for &byte in text {
            let begin = lattice.positions[lattice.positions.len() - 1];
            if byte == EPSILON {
                self.move_text_only(&mut lattice, begin);
            } else {
                self.follow(&mut lattice, begin, Some(byte));
            }
            if lattice.arcs.len() > MAX_ARCS {
                return Err(TooLarge);
            }
            std::mem::swap(&mut self.here, &mut self.ahead);
        }
        let begin = lattice.positions[lattice.positions.len() - 1];
        if at_end {
            self.follow(&mut lattice, begin, None);
            lattice.positions.pop();
        } else {
            let last = lattice.states() - begin as usize;
            (0..last).for_each(|_| lattice.close_state());
        }
        Ok(lattice)
    }

    /// Adds the silent arcs of the states from `begin` on, and those that read `byte`.
    fn follow(&mut self, lattice: &mut Lattice, begin: u32, byte: Option<u8>) {
        let Self { rule, here, ahead } = self;
        here.begin = begin;
        let mut state = begin as usize;
        while state < lattice.states() {
            for arc in rule.silent(lattice.rule_state[state]) {
                here.number(arc.next, &mut lattice.rule_state);
            }
            state += 1;
        }
        let end = lattice.states() as u32;
        ahead.begin = end;
        for state in begin..end {
            let rule_state = lattice.rule_state(state);
            for arc in rule.silent(rule_state) {
                let next = here.number(arc.next, &mut lattice.rule_state);
                lattice.arcs.push(Arc {
                    weight: arc.weight,
                    next,
                    output: arc.output,
                });
            }
            for arc in byte.map_or(&[][..], |byte| rule.reading(rule_state, byte)) {
                let next = ahead.number(arc.next, &mut lattice.rule_state);
                lattice.arcs.push(Arc {
                    weight: arc.weight,
                    next,
                    output: arc.output,
                });
            }
            lattice.close_state();
        }
        lattice.positions.push(end);
    }

    /// OpenFst cannot tell a NUL in the text from silence: it moves the text and not the rule,
    /// and allows the rule no silent arc before.
    fn move_text_only(&mut self, lattice: &mut Lattice, begin: u32) {
        let end = lattice.states() as u32;
        self.ahead.begin = end;
        for state in begin..end {
            let rule_state = lattice.rule_state(state);
            let next = self.ahead.number(rule_state, &mut lattice.rule_state);
            lattice.arcs.push(Arc {
                weight: 0.0,
                next,
                output: EPSILON,
            });
            lattice.close_state();
        }
        lattice.positions.push(end);
    }
}

/// Numbers the rule's states at one position in the order in which they are first met.
struct Numbering {
    /// The number last given to each state of the rule, perhaps at an earlier position.
    given: Vec<u32>,
    /// The first number of this position.
    begin: u32,
}

impl Numbering {
    /// The number of `rule_state` at this position; the next free one if it is new here.
    fn number(&mut self, rule_state: u32, numbered: &mut Vec<u32>) -> u32 {
        let given = self.given[rule_state as usize];
        // A number from an earlier position is below `begin` or belongs to another state now.
        if given >= self.begin && numbered.get(given as usize) == Some(&rule_state) {
            return given;
        }
        let number = numbered.len() as u32;
        self.given[rule_state as usize] = number;
        numbered.push(rule_state);
        number
    }
}
