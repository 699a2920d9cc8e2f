//! Applying a rule to a text: every path the rule allows, and the cheapest of them.
//!
//! Paths of equal cost are common, so the order in which OpenFst visits arcs and states
//! decides the answer and is followed exactly: composition yields a state's silent arcs first,
//! then those that read, both in file order; sums are float32 from the start onwards; and a
//! path replaces another only if it is strictly cheaper.

use super::fst::{EPSILON, Rule};

/// Past this many arcs (3 GiB of them) a text is refused.
const MAX_ARCS: usize = 1 << 28;

/// The text needs a lattice of more than [`MAX_ARCS`] arcs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The bytes that `rule` writes along its cheapest path over `text`; empty if it has no path.
pub(super) fn rewrite(rule: &Rule, text: &[u8]) -> Result<Vec<u8>, TooLarge> {
    Ok(Lattice::compose(rule, text)?.cheapest_output(rule))
}

#[derive(Debug, Clone, Copy)]
struct Arc {
    weight: f32,
    next: u32,
    output: u8,
}

/// The rule's states reached at each position of a text, with the arcs between them.
///
/// States are numbered by position. Every arc leads to the same or the next position and no
/// rule has silent cycles, so the lattice has no cycles either.
struct Lattice {
    rule_state: Vec<u32>,
    /// Where the arcs of each state begin; one entry more than there are states.
    first: Vec<u32>,
    arcs: Vec<Arc>,
    /// The first state after the last byte of the text.
    end: usize,
}

impl Lattice {
    fn compose(rule: &Rule, text: &[u8]) -> Result<Self, TooLarge> {
        let mut lattice = Self {
            rule_state: vec![rule.start()],
            first: vec![],
            arcs: vec![],
            end: 0,
        };
        let mut here = Numbering::new(rule);
        let mut ahead = Numbering::new(rule);
        let mut begin = 0;
        for byte in text.iter().copied().map(Some).chain([None]) {
            // OpenFst cannot tell a NUL in the text from silence, and then moves only the text.
            let silent_allowed = byte != Some(EPSILON);
            here.begin_at(begin);
            let mut state = begin;
            while silent_allowed && state < lattice.rule_state.len() {
                for arc in rule.silent(lattice.rule_state[state]) {
                    here.number(arc.next, &mut lattice.rule_state);
                }
                state += 1;
            }
            let end = lattice.rule_state.len();
            ahead.begin_at(end);
            for state in begin..end {
                let rule_state = lattice.rule_state[state];
                lattice.first.push(lattice.arcs.len() as u32);
                match byte {
                    Some(EPSILON) => {
                        let next = ahead.number(rule_state, &mut lattice.rule_state);
                        lattice.arcs.push(Arc {
                            weight: 0.0,
                            next,
                            output: EPSILON,
                        });
                    }
                    _ => {
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
                    }
                }
            }
            if lattice.arcs.len() > MAX_ARCS {
                return Err(TooLarge);
            }
            lattice.end = begin;
            begin = end;
            std::mem::swap(&mut here, &mut ahead);
        }
        lattice.first.push(lattice.arcs.len() as u32);
        Ok(lattice)
    }

    fn states(&self) -> usize {
        self.rule_state.len()
    }

    fn arcs(&self, state: u32) -> &[Arc] {
        let state = state as usize;
        &self.arcs[self.first[state] as usize..self.first[state + 1] as usize]
    }

    /// The cost of ending in `state`; infinite unless the whole text is read there.
    fn final_weight(&self, state: u32, rule: &Rule) -> f32 {
        if (state as usize) < self.end {
            return f32::INFINITY;
        }
        rule.final_weight(self.rule_state[state as usize])
    }

    fn cheapest_output(&self, rule: &Rule) -> Vec<u8> {
        let useful = self.useful_states(rule);
        if useful.backwards.is_empty() {
            return Vec::new();
        }
        let mut search = Search::new(self, rule, &useful);
        if useful.weighted {
            for &state in useful.backwards.iter().rev() {
                search.visit(state, |_| ());
            }
        } else {
            // Where nothing costs anything OpenFst visits the state it has seen last.
            let mut seen = vec![0];
            while let Some(state) = seen.pop() {
                search.visit(state, |next| seen.push(next));
            }
        }
        search.output()
    }

    /// The states from which the end can be reached, in the order in which a depth-first
    /// search leaves them: the reverse of OpenFst's topological order.
    fn useful_states(&self, rule: &Rule) -> Useful {
        let mut useful = Useful {
            is: vec![false; self.states()],
            backwards: vec![],
            weighted: false,
        };
        let mut met = vec![false; self.states()];
        met[0] = true;
        let mut path = vec![(0u32, self.first[0])];
        while let Some((state, taken)) = path.last_mut() {
            if *taken < self.first[*state as usize + 1] {
                let next = self.arcs[*taken as usize].next;
                *taken += 1;
                if !std::mem::replace(&mut met[next as usize], true) {
                    path.push((next, self.first[next as usize]));
                }
                continue;
            }
            let mut reaches_end = self.final_weight(*state, rule) != f32::INFINITY;
            for arc in self.arcs(*state) {
                if useful.is[arc.next as usize] {
                    reaches_end = true;
                    useful.weighted |= arc.weight != 0.0;
                }
            }
            if reaches_end {
                useful.is[*state as usize] = true;
                useful.backwards.push(*state);
            }
            path.pop();
        }
        useful
    }
}

struct Useful {
    is: Vec<bool>,
    backwards: Vec<u32>,
    /// Whether an arc between useful states costs or gains anything.
    weighted: bool,
}

/// Numbers the rule states of one position in the order in which they are first met.
struct Numbering {
    /// The number last given to each rule state, perhaps at an earlier position.
    given: Vec<u32>,
    begin: usize,
}

impl Numbering {
    fn new(rule: &Rule) -> Self {
        Self {
            given: vec![0; rule.states()],
            begin: 0,
        }
    }

    fn begin_at(&mut self, begin: usize) {
        self.begin = begin;
    }

    /// The number of `rule_state` at this position; the next free one if it is new here.
    fn number(&mut self, rule_state: u32, numbered: &mut Vec<u32>) -> u32 {
        let given = self.given[rule_state as usize];
        // A number from another position belongs to no state here, or to another one.
        let valid = given as usize >= self.begin
            && numbered
                .get(given as usize)
                .is_some_and(|&state| state == rule_state);
        if valid {
            return given;
        }
        let number = numbered.len() as u32;
        self.given[rule_state as usize] = number;
        numbered.push(rule_state);
        number
    }
}

/// Relaxation of the lattice's arcs, state by state.
struct Search<'a> {
    lattice: &'a Lattice,
    rule: &'a Rule,
    useful: &'a Useful,
    cost: Vec<f32>,
    /// The state before, and the byte written on the way from it.
    came_from: Vec<(u32, u8)>,
    end: Option<u32>,
    end_cost: f32,
}

impl<'a> Search<'a> {
    fn new(lattice: &'a Lattice, rule: &'a Rule, useful: &'a Useful) -> Self {
        let mut cost = vec![f32::INFINITY; lattice.states()];
        cost[0] = 0.0;
        let came_from = vec![(0, EPSILON); lattice.states()];
        Self {
            lattice,
            rule,
            useful,
            cost,
            came_from,
            end: None,
            end_cost: f32::INFINITY,
        }
    }

    fn visit(&mut self, state: u32, mut cheaper: impl FnMut(u32)) {
        let cost = self.cost[state as usize];
        let end_cost = cost + self.lattice.final_weight(state, self.rule);
        if end_cost < self.end_cost {
            self.end_cost = end_cost;
            self.end = Some(state);
        }
        for arc in self.lattice.arcs(state) {
            let next = arc.next as usize;
            if self.useful.is[next] && cost + arc.weight < self.cost[next] {
                self.cost[next] = cost + arc.weight;
                self.came_from[next] = (state, arc.output);
                cheaper(arc.next);
            }
        }
    }

    fn output(&self) -> Vec<u8> {
        let mut output = Vec::new();
        let mut state = match self.end {
            Some(end) => end,
            None => return output,
        };
        while state != 0 {
            let (before, byte) = self.came_from[state as usize];
            if byte != EPSILON {
                output.push(byte);
            }
            state = before;
        }
        output.reverse();
        output
    }
}
