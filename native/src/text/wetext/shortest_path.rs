//! Applying a rule to a text: the bytes written along the cheapest path over it.
//!
//! Paths of equal cost are common, so the order in which OpenFst visits states decides the
//! answer and is followed exactly: costs are float32 sums from the start onwards, a path
//! replaces another only if it is strictly cheaper, and states are visited in the topological
//! order of a depth-first search, or, where no arc costs anything, the state seen last first.
//!
//! A long text is solved stretch by stretch. Where all paths run through one state, nothing
//! before that state depends on what follows, and neither order mixes the two sides; so the
//! answer is that of the whole text, in the memory of a stretch.

use super::compose::{Composer, Lattice, TooLarge};
use super::fst::{EPSILON, Rule};

/// Bytes of text composed at once, where that is enough to find a state all paths run through.
const STRETCH: usize = 1024;

/// The bytes that `rule` writes along its cheapest path over `text`; empty if it has no path.
pub(super) fn rewrite(rule: &Rule, text: &[u8]) -> Result<Vec<u8>, TooLarge> {
    rewrite_by(rule, text, STRETCH)
}

fn rewrite_by(rule: &Rule, text: &[u8], stretch: usize) -> Result<Vec<u8>, TooLarge> {
    let mut composer = Composer::new(rule);
    let mut written = Vec::new();
    // Which order OpenFst takes depends on the whole text: this is written if it is all free.
    let mut written_if_free = Some(Vec::new());
    let (mut rest, mut entry, mut cost) = (text, rule.start(), 0.0);
    let mut size = stretch;
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
                size = stretch;
            }
        }
    }
}

/// The states from which the end of a lattice can be reached.
struct Useful {
    is: Vec<bool>,
    /// In topological order: the reverse of the order in which a depth-first search, taking
    /// arcs in their order, leaves them.
    order: Vec<u32>,
}

/// A position at which a single state reads on.
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

    /// The last position but the first and the end at which a single useful state reads on.
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

    /// Whether an arc on the way to `goal` costs or gains anything.
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

/// Where the paths over a stretch are led to.
enum Goal<'a> {
    /// A state that all paths run through.
    Narrow(Narrow),
    /// A state of the last position, which begins with state `begin`, in which `rule` may end.
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

    /// The cost of stopping in `state`, infinite where that is not the goal.
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
    /// The state before, and the byte written on the way from it.
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

    /// Appends what is written along the cheapest path, and returns its cost.
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
    use crate::text::wetext::fst::testing::file;

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

    /// Random rules full of ties, with NULs in some texts, and what kaldifst 1.8.3 makes of them.
    fn recorded() -> Vec<Recorded> {
        include_str!("../../../tests/data/text/openfst.jsonl")
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
    fn solving_stretch_by_stretch_changes_no_answer() {
        for Recorded { fst, cases } in recorded() {
            let rule = Rule::parse(&bytes(&fst)).unwrap();
            for (text, answer) in cases {
                for stretch in 1..6 {
                    let found = rewrite_by(&rule, &bytes(&text), stretch);
                    assert_eq!(found, Ok(bytes(&answer)), "{text} in {stretch}s by {fst}");
                }
            }
        }
    }

    #[test]
    fn a_text_of_many_stretches_is_rewritten_whole() {
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
        fn any_text_gets_an_answer(text: Vec<u8>, which in 0_usize..40) {
            let rule = Rule::parse(&bytes(&recorded()[which].fst)).unwrap();
            prop_assert!(rewrite(&rule, &text).is_ok());
        }
    }
}
