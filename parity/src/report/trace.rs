//! What few tokens say of an engine, as tables for the terminal.

use std::fmt::Write as _;

use crate::trace::{Trace, Verdict};

/// Suspects that are listed.
const SUSPECTS: usize = 5;

/// The verdict, and what it rests on. `explained` names the precision whose error explains a parting.
pub fn trace_table(trace: &Trace, explained: &str) -> String {
    let mut out = match trace.verdict {
        Verdict::Different => format!(
            "DIFFERENT after {} tokens: the error of {explained} does not explain what was drawn\n",
            trace.told_after.unwrap_or(trace.tokens)
        ),
        Verdict::Explained => format!(
            "EXPLAINED: {} tokens are the reference's, or others by the error of {explained}\n",
            trace.tokens
        ),
        Verdict::Nothing => "nothing to follow: no token was drawn\n".into(),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} tokens of {} draws; exact logits give another one at {}, of which {} are unexplained",
        trace.tokens, trace.lists, trace.parted, trace.unexplained
    );
    let _ = writeln!(
        out,
        "evidence: 10^{:.1}; a right engine reaches 10^3 once in a thousand times at most",
        trace.evidence
    );
    if let Some(runs) = &trace.runs {
        let after = match runs.different {
            0 => String::new(),
            _ => format!(", half of them within {} tokens", runs.median),
        };
        let _ = writeln!(
            out,
            "{} of {} runs of {} tokens are called different{after}",
            runs.different, runs.runs, runs.tokens
        );
    }
    if trace.verdict == Verdict::Different {
        let _ = writeln!(out, "\nsuspect                                  evidence");
        for (name, evidence) in trace.suspects.iter().take(SUSPECTS) {
            let _ = writeln!(out, "{name:<40} 10^{evidence:.1}");
        }
    }
    if !trace.first.is_empty() {
        let _ = writeln!(out, "\nfirst partings");
    }
    for parting in &trace.first {
        let how = if parting.explained {
            ""
        } else {
            "  unexplained"
        };
        let _ = writeln!(
            out,
            "{}, seed {}, token {}{how}",
            parting.case, parting.seed, parting.position
        );
    }
    out
}
