use native::text::TextFrontend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::native_answers::answer;
use super::{FrontendOutput, FrontendSetting, Outcome};
use crate::diff::text::{Run, diff};

/// How the native frontend's output for one text compares with the reference's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The same normalised text, segments and ids.
    Same,
    /// The reference raises an exception, and the native frontend warns of it.
    BothFail {
        /// The exception's name.
        raised: String,
        /// The native frontend's warning.
        warning: String,
    },
    /// Anything else.
    Differs(Disagreement),
}

/// The first difference of two outputs for a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disagreement {
    /// The first part that differs, such as `segment 2`.
    pub what: String,
    /// The reference's.
    pub reference: String,
    /// The native frontend's.
    pub native: String,
    /// If a text differs: the runs of characters that make up both.
    pub runs: Vec<Run>,
}

/// Compares the native `frontend` with the reference, whose result for `text` is `outcome`.
pub fn check_line(
    frontend: &TextFrontend,
    setting: FrontendSetting,
    text: &str,
    outcome: &Outcome,
) -> Agreement {
    let (native, warnings) = match answer(frontend, text, setting.split) {
        Ok(answered) => answered,
        Err(e) => {
            let expected = match outcome {
                Outcome::Raised(kind) => kind,
                Outcome::Answered(output) => &output.normalized,
            };
            return differs("an answer", expected, &format!("error: {e}"));
        }
    };
    match (outcome, warnings.into_iter().next()) {
        (Outcome::Answered(reference), None) => compare(reference, &native),
        (Outcome::Answered(reference), Some(warning)) => {
            differs("a warning", &reference.normalized, &warning)
        }
        (Outcome::Raised(raised), Some(warning)) if names(&warning, raised) => {
            let raised = raised.clone();
            Agreement::BothFail { raised, warning }
        }
        (Outcome::Raised(raised), Some(warning)) => differs("the reason", raised, &warning),
        (Outcome::Raised(raised), None) => differs("no warning", raised, &native.normalized),
    }
}

fn names(warning: &str, raised: &str) -> bool {
    match raised {
        "NoEnd" => warning.contains("no end"),
        _ => warning.contains(raised),
    }
}

fn compare(reference: &FrontendOutput, native: &FrontendOutput) -> Agreement {
    if reference.normalized != native.normalized {
        return texts(
            "the normalised text",
            &reference.normalized,
            &native.normalized,
        );
    }
    let pairs = reference.segments.iter().zip(&native.segments);
    for (at, (r, n)) in pairs.enumerate() {
        if r != n {
            return texts(&format!("segment {}", at + 1), r, n);
        }
    }
    let (r, n) = (reference.segments.len(), native.segments.len());
    if r != n {
        return differs("the number of segments", &r.to_string(), &n.to_string());
    }
    for (at, (r, n)) in reference.ids.iter().zip(&native.ids).enumerate() {
        if r != n {
            let first = r.iter().zip(n).take_while(|(r, n)| r == n).count();
            let what = format!("the ids of segment {}, from id {}", at + 1, first + 1);
            let shown = |ids: &[u32]| format!("{:?}", &ids[first..ids.len().min(first + 8)]);
            return differs(&what, &shown(r), &shown(n));
        }
    }
    Agreement::Same
}

fn texts(what: &str, reference: &str, native: &str) -> Agreement {
    let pairs = diff(&[reference], &[native]).pairs;
    Agreement::Differs(Disagreement {
        what: what.into(),
        reference: reference.into(),
        native: native.into(),
        runs: pairs.into_iter().flat_map(|pair| pair.runs).collect(),
    })
}

fn differs(what: &str, reference: &str, native: &str) -> Agreement {
    Agreement::Differs(Disagreement {
        what: what.into(),
        reference: reference.into(),
        native: native.into(),
        runs: Vec::new(),
    })
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (reference, native) = around_first(&self.reference, &self.native);
        writeln!(f, "{}", self.what)?;
        writeln!(f, "  reference  {reference:?}")?;
        write!(f, "  native     {native:?}")
    }
}

/// Characters shown before and after the first difference.
const BEFORE: usize = 30;
const AFTER: usize = 60;

/// Both texts around the first character that differs.
fn around_first(reference: &str, native: &str) -> (String, String) {
    let same = reference
        .chars()
        .zip(native.chars())
        .take_while(|(r, n)| r == n);
    let skipped = same.count().saturating_sub(BEFORE);
    let shown = |text: &str| {
        let begin = if skipped > 0 { "…" } else { "" };
        let mut rest = text.chars().skip(skipped);
        let part: String = rest.by_ref().take(BEFORE + AFTER).collect();
        let end = if rest.next().is_some() { "…" } else { "" };
        [begin, &part, end].concat()
    };
    (shown(reference), shown(native))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(segments: &[(&str, &[u32])]) -> FrontendOutput {
        FrontendOutput {
            normalized: "n".into(),
            segments: segments.iter().map(|(s, _)| (*s).into()).collect(),
            ids: segments.iter().map(|(_, ids)| ids.to_vec()).collect(),
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let whole = answer(&[("a.", &[1, 2]), ("b.", &[3])]);
        for (native, what) in [
            (answer(&[("a.", &[1, 2]), ("c.", &[3])]), "segment 2"),
            (answer(&[("a.", &[1, 2])]), "the number of segments"),
            (
                answer(&[("a.", &[1, 7]), ("b.", &[3])]),
                "the ids of segment 1, from id 2",
            ),
            (
                answer(&[("a.", &[1]), ("b.", &[3])]),
                "the ids of segment 1, from id 2",
            ),
        ] {
            let Agreement::Differs(found) = compare(&whole, &native) else {
                panic!("{native:?} passed for {whole:?}");
            };
            assert_eq!(found.what, what);
        }
        assert_eq!(compare(&whole, &whole.clone()), Agreement::Same);
    }

    #[test]
    fn a_late_difference_is_shown_with_its_surroundings() {
        let (reference, native) = ("x".repeat(200) + "one end", "x".repeat(200) + "two end");
        let shown = around_first(&reference, &native);
        let lead = "…".to_owned() + &"x".repeat(BEFORE);
        assert_eq!(shown, (lead.clone() + "one end", lead + "two end"));
    }
}
