use serde::Serialize;

use crate::judge::{Origin, Verdict};

/// A verdict as a class, a symbol and words, so that colour is never the only sign.
#[derive(Clone, Serialize)]
pub(super) struct Mark {
    class: &'static str,
    symbol: &'static str,
    words: &'static str,
}

impl Mark {
    pub(super) fn of(verdict: Verdict, origin: Option<Origin>) -> Self {
        let symbol = match (verdict, origin) {
            (Verdict::Pass, _) => "✓",
            (Verdict::Skipped, _) => "–",
            (Verdict::Missing, _) => "?",
            (Verdict::Fail, Some(Origin::Inherited)) => "↳",
            (Verdict::Fail, _) => "✗",
            (Verdict::Stale, _) => "≠",
            (Verdict::Damaged, _) => "⚡",
        };
        let words = match origin {
            Some(Origin::Introduced) => "fail, introduced here",
            Some(Origin::Inherited) => "fail, inherited",
            None => verdict.name(),
        };
        Self {
            class: verdict.name(),
            symbol,
            words,
        }
    }

    pub(super) fn none() -> Self {
        Self {
            class: "none",
            symbol: "·",
            words: "does not apply",
        }
    }
}
