//! Applies a rule to a text: the output is what the cheapest path over the text writes.
//!
//! Many paths have equal costs, so the result depends on the order in which OpenFst visits states,
//! which is reproduced exactly. Costs are float32 sums from the start onwards. A path replaces
//! another only if it is strictly cheaper. States are visited in the topological order of a
//! depth-first search or, if no arc has a cost, last in, first out.
//!
//! A long text is solved in chunks. If all paths run through one state, the best path up to that
//! state does not depend on what follows, and neither order of visits mixes the two sides. The
//! result is therefore that of the whole text, in the memory of a chunk.

use crate::compose::{Composer, Lattice, TooLarge};
use crate::fst::{EPSILON, Rule};

/// Bytes of text composed at once; more only if no state is common to all paths.
const CHUNK: usize = 1024;

/// What `rule` writes along its cheapest path over `text`; empty if it has no path.
pub(crate) fn rewrite(rule: &Rule, text: &[u8]) -> Result<Vec<u8>, TooLarge> {
    rewrite_by(rule, text, CHUNK)
}

fn rewrite_by(rule: &Rule, text: &[u8], chunk: usize) -> Result<Vec<u8>, TooLarge> {
    let mut composer = Composer::new(rule);
    let mut written = Vec::new();
    // OpenFst's order of visits depends on the whole text; this result holds if all of it is free.
    let mut written_if_free = Some(Vec::new());
    let (mut rest, mut entry, mut cost) = (text, rule.start(), 0.0);
    let mut size = chunk;
    loop {
        let (now, is_last) = rest.get(..size).map_or((rest, true), |now| (now, false));
        let lattice = composer.compose(entry, now, is_last)?;
        let end = lattice.first_at(now.len());
        let useful = Useful::find(&lattice, |state| {
            state >= end
                && (!is_last || rule.final_weight(lattice.rule_state(state)) != f32::INFINITY)
        });
        if useful.order.is_empty() {
            return Ok(Vec::new());
        }
        let goal = if is_last {
            Goal::End { begin: end, rule }
        } else if let Some(narrow) = useful.last_narrow(&lattice) {
            Goal::Narrow(narrow)
        } else {
            size = size.saturating_mul(4);
            continue;
        };
        if useful.any_costs(&lattice, &goal) {
            written_if_free = None;
        }
        if let Some(written) = &mut written_if_free {
            let mut search = Search::new(&lattice, &useful, &goal, cost);
            search.last_seen_first();
            search.write(written);
        }
        let mut search = Search::new(&lattice, &useful, &goal, cost);
        search.topological();
        cost = search.write(&mut written);
        match goal {
            Goal::End { .. } => return Ok(written_if_free.unwrap_or(written)),
            Goal::Narrow(narrow) => {
                rest = &rest[narrow.position..];
                entry = lattice.rule_state(narrow.state);
                size = chunk;
            }
        }
    }
}

/// The states from which the end of a lattice can be reached.
struct Useful {
    is: Vec<bool>,
    /// In topological order: the reverse of the order in which a depth-first search leaves them.
    order: Vec<u32>,
}

/// A position at which only one useful state reads the next byte.
#[derive(Debug, Clone, Copy)]
struct Narrow {
    position: usize,
    state: u32,
    /// The first state of the next position.
    next: u32,
}

impl Useful {
    fn find(lattice: &Lattice, is_end: impl Fn(u32) -> bool) -> Self {
        let mut useful = Self {
            is: vec![false; lattice.states()],
            order: Vec::new(),
        };
        let mut met = vec![false; lattice.states()];
        met[0] = true;
        let mut path = vec![(0, lattice.arcs(0).iter())];
        while let Some((state, arcs)) = path.last_mut() {
            if let Some(arc) = arcs.next() {
                if !std::mem::replace(&mut met[arc.next as usize], true) {
                    path.push((arc.next, lattice.arcs(arc.next).iter()));
                }
                continue;
            }
            let leads_on = || {
                lattice
                    .arcs(*state)
                    .iter()
                    .any(|arc| useful.is[arc.next as usize])
            };
            if is_end(*state) || leads_on() {
                useful.is[*state as usize] = true;
                useful.order.push(*state);
            }
            path.pop();
        }
        useful.order.reverse();
        useful
    }

    /// The last position, other than the start and the end, at which only one useful state reads.
    fn last_narrow(&self, lattice: &Lattice) -> Option<Narrow> {
        (1..lattice.length()).rev().find_map(|position| {
            let next = lattice.first_at(position + 1);
            let mut readers = (lattice.first_at(position)..next).filter(|&state| {
                lattice
                    .arcs(state)
                    .iter()
                    .any(|arc| arc.next >= next && self.is[arc.next as usize])
            });
            let state = readers.next()?;
            readers.next().is_none().then_some(Narrow {
                position,
                state,
                next,
            })
        })
    }

    /// Whether any arc on the way to `goal` has a cost, positive or negative.
    fn any_costs(&self, lattice: &Lattice, goal: &Goal<'_>) -> bool {
        self.order
            .iter()
            .filter(|&&state| !goal.is_beyond(state))
            .any(|&state| {
                lattice.arcs(state).iter().any(|arc| {
                    arc.weight != 0.0 && !goal.is_beyond(arc.next) && self.is[arc.next as usize]
                })
            })
    }
}

/// Where the paths over a chunk end.
enum Goal<'a> {
    /// In a state common to all paths.
    Narrow(Narrow),
    /// In a final state of `rule` after the last byte; the states there begin with `begin`.
    End { begin: u32, rule: &'a Rule },
}

impl Goal<'_> {
    /// Whether `state` lies after the goal.
    fn is_beyond(&self, state: u32) -> bool {
        match self {
            Self::Narrow(narrow) => state >= narrow.next,
            Self::End { .. } => false,
        }
    }

    /// The cost of ending in `state`; infinite if that is not the goal.
    fn cost(&self, state: u32, lattice: &Lattice) -> f32 {
        match self {
            Self::Narrow(narrow) if state == narrow.state => 0.0,
            Self::End { begin, rule } if state >= *begin => {
                rule.final_weight(lattice.rule_state(state))
            }
            _ => f32::INFINITY,
        }
    }
}

/// The search for the cheapest path through the useful states of a lattice.
struct Search<'a> {
    lattice: &'a Lattice,
    useful: &'a Useful,
    goal: &'a Goal<'a>,
    cost: Vec<f32>,
    /// The previous state, and the byte written between the two.
    came_from: Vec<(u32, u8)>,
    end: u32,
    end_cost: f32,
}

impl<'a> Search<'a> {
    fn new(lattice: &'a Lattice, useful: &'a Useful, goal: &'a Goal<'a>, cost: f32) -> Self {
        let mut costs = vec![f32::INFINITY; lattice.states()];
        costs[0] = cost;
        let came_from = vec![(0, EPSILON); lattice.states()];
        let end_cost = f32::INFINITY;
        Self {
            lattice,
            useful,
            goal,
            cost: costs,
            came_from,
            end: 0,
            end_cost,
        }
    }

    fn topological(&mut self) {
        for &state in self
            .useful
            .order
            .iter()
            .filter(|&&state| !self.goal.is_beyond(state))
        {
            self.visit(state, |_| ());
        }
    }

    fn last_seen_first(&mut self) {
        let mut seen = vec![0];
        while let Some(state) = seen.pop() {
            self.visit(state, |next| seen.push(next));
        }
    }

    fn visit(&mut self, state: u32, mut cheaper: impl FnMut(u32)) {
        let cost = self.cost[state as usize];
        let end_cost = cost + self.goal.cost(state, self.lattice);
        if end_cost < self.end_cost {
            (self.end, self.end_cost) = (state, end_cost);
        }
        for arc in self.lattice.arcs(state) {
            let next = arc.next as usize;
            let leads_on = self.useful.is[next] && !self.goal.is_beyond(arc.next);
            if leads_on && cost + arc.weight < self.cost[next] {
                self.cost[next] = cost + arc.weight;
                self.came_from[next] = (state, arc.output);
                cheaper(arc.next);
            }
        }
    }

    /// Appends what the cheapest path writes, and returns its cost.
    fn write(&self, written: &mut Vec<u8>) -> f32 {
        let begin = written.len();
        let mut state = self.end;
        while state != 0 {
            let (before, byte) = self.came_from[state as usize];
            if byte != EPSILON {
                written.push(byte);
            }
            state = before;
        }
        written[begin..].reverse();
        self.end_cost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fst::testing::file;

    #[derive(serde::Deserialize)]
    struct Recorded {
        fst: String,
        /// Text and answer.
        cases: Vec<(String, String)>,
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    /// Random rules with many ties, and texts, some with NULs, with the results of kaldifst 1.8.3.
    fn recorded() -> Vec<Recorded> {
        include_str!("../tests/data/openfst.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn ties_and_silent_arcs_are_resolved_as_openfst_does() {
        for Recorded { fst, cases } in recorded() {
            let rule = Rule::parse(&bytes(&fst)).unwrap();
            for (text, answer) in cases {
                assert_eq!(
                    rewrite(&rule, &bytes(&text)),
                    Ok(bytes(&answer)),
                    "{text} by {fst}"
                );
            }
        }
    }

    #[test]
    fn solving_in_chunks_changes_no_result() {
        for Recorded { fst, cases } in recorded() {
            let rule = Rule::parse(&bytes(&fst)).unwrap();
            for (text, answer) in cases {
                for chunk in 1..6 {
                    let found = rewrite_by(&rule, &bytes(&text), chunk);
                    assert_eq!(
                        found,
                        Ok(bytes(&answer)),
                        "{text} in chunks of {chunk} by {fst}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_text_of_many_chunks_is_rewritten_as_a_whole() {
        let upper = |byte: u8| i32::from(byte.to_ascii_uppercase());
        let arcs: Vec<_> = (b'a'..=b'z')
            .map(|b| (i32::from(b), upper(b), 0.5, 0))
            .collect();
        let rule = Rule::parse(&file(0, &[(0.0, &arcs)])).unwrap();
        let text = b"thequickbrownfox".repeat(1000);
        assert_eq!(rewrite(&rule, &text), Ok(text.to_ascii_uppercase()));
        assert_eq!(rewrite(&rule, &[&text[..], b"!"].concat()), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_text_has_a_result(text: Vec<u8>, which in 0_usize..40) {
            let rule = Rule::parse(&bytes(&recorded()[which].fst)).unwrap();
            prop_assert!(rewrite(&rule, &text).is_ok());
        }
    }
}
