//! Composition of a rule with a chunk of text: every path of the rule over that text.

use crate::fst::{EPSILON, Rule};

/// Maximum number of arcs per chunk (0.4 GB). Some 300,000 digits in a row exceed it.
const MAX_ARCS: usize = 1 << 25;

/// A chunk of text has more than [`MAX_ARCS`] arcs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// One arc of a [`Lattice`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arc {
    /// The cost of taking the arc; finite.
    pub(crate) weight: f32,
    /// The state it leads to.
    pub(crate) next: u32,
    /// The byte written, or [`EPSILON`].
    pub(crate) output: u8,
}

/// The rule's states reachable at each position of a chunk of text, and the arcs between them, in
/// OpenFst's order of composition: a state's silent arcs first, then those that read the next
/// byte, both in file order.
///
/// States are numbered by position, and the entry is state 0. Every arc leads to the same or the
/// next position and rules have no silent cycles, so a lattice has no cycles.
#[derive(Debug)]
pub(crate) struct Lattice {
    rule_state: Vec<u32>,
    /// Index of each state's first arc, and the number of arcs at the end.
    first: Vec<u32>,
    arcs: Vec<Arc>,
    /// The first state at each position, from before the first byte to after the last.
    positions: Vec<u32>,
}

impl Lattice {
    /// Number of states.
    pub(crate) fn states(&self) -> usize {
        self.rule_state.len()
    }

    /// The rule's state that `state` stands for.
    pub(crate) fn rule_state(&self, state: u32) -> u32 {
        self.rule_state[state as usize]
    }

    /// The arcs of `state`.
    pub(crate) fn arcs(&self, state: u32) -> &[Arc] {
        let state = state as usize;
        &self.arcs[self.first[state] as usize..self.first[state + 1] as usize]
    }

    /// The first state after `position` bytes.
    pub(crate) fn first_at(&self, position: usize) -> u32 {
        self.positions[position]
    }

    /// Number of bytes.
    pub(crate) fn length(&self) -> usize {
        self.positions.len() - 1
    }

    fn close_state(&mut self) {
        self.first.push(self.arcs.len() as u32);
    }
}

/// Composes a rule with successive chunks of text.
pub(crate) struct Composer<'a> {
    rule: &'a Rule,
    here: Numbering,
    ahead: Numbering,
}

impl<'a> Composer<'a> {
    /// A composer of `rule`.
    pub(crate) fn new(rule: &'a Rule) -> Self {
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

    /// The lattice of `text`, starting in the rule's state `entry`.
    ///
    /// After the last byte, silent arcs are followed only if `at_end`: otherwise the next chunk
    /// begins with them.
    pub(crate) fn compose(
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

    /// Adds the arcs of all states from `begin` on that are silent or read `byte`.
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

    /// Handles a NUL in the text. OpenFst mistakes it for an epsilon: it advances the text without
    /// the rule, and does not let the rule take a silent arc first.
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

/// Numbers the rule's states at one position in the order of their discovery.
struct Numbering {
    /// The number last given to each of the rule's states, possibly at an earlier position.
    given: Vec<u32>,
    /// The first number of this position.
    begin: u32,
}

impl Numbering {
    /// The number of `rule_state` at this position; the next free number if it is new.
    fn number(&mut self, rule_state: u32, numbered: &mut Vec<u32>) -> u32 {
        let given = self.given[rule_state as usize];
        // A number from an earlier position is below `begin` or now belongs to another state.
        if given >= self.begin && numbered.get(given as usize) == Some(&rule_state) {
            return given;
        }
        let number = numbered.len() as u32;
        self.given[rule_state as usize] = number;
        numbered.push(rule_state);
        number
    }
}
