use serde::{Deserialize, Serialize};

/// The output of a frontend for a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendOutput {
    /// The whole text, normalised.
    pub normalized: String,
    /// The segments, which are synthesised one by one.
    pub segments: Vec<String>,
    /// The token ids of each segment.
    pub ids: Vec<Vec<u32>>,
}

/// The result of the reference for a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its output.
    Answered(FrontendOutput),
    /// It raised an exception of this name, or did not end (`NoEnd`).
    Raised(String),
}

/// An [`Outcome`] as a line of a recording: either `raised` or `ids` is present, and parts that
/// follow from the text are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerLine {
    /// The name of the exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<String>,
    /// The whole text, normalised, if that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalized: Option<String>,
    /// The segments, unless the only one is the normalised text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<String>>,
    /// The ids of each segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Vec<u32>>>,
}

impl AnswerLine {
    /// The line for the `outcome` of `text`.
    pub fn of(text: &str, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Raised(kind) => Self {
                raised: Some(kind),
                normalized: None,
                segments: None,
                ids: None,
            },
            Outcome::Answered(output) => {
                let alone = output.segments == std::slice::from_ref(&output.normalized);
                Self {
                    raised: None,
                    segments: (!alone).then_some(output.segments),
                    normalized: (output.normalized != text).then_some(output.normalized),
                    ids: Some(output.ids),
                }
            }
        }
    }

    /// The outcome of `text`.
    ///
    /// # Errors
    /// The reason, if the line is neither an output nor an exception.
    pub fn outcome(self, text: &str) -> Result<Outcome, String> {
        match self {
            Self {
                raised: Some(kind),
                normalized: None,
                segments: None,
                ids: None,
            } => Ok(Outcome::Raised(kind)),
            Self {
                raised: None,
                normalized,
                segments,
                ids: Some(ids),
            } => {
                let normalized = normalized.unwrap_or_else(|| text.to_owned());
                let segments = segments.unwrap_or_else(|| vec![normalized.clone()]);
                if segments.len() != ids.len() {
                    let (segments, ids) = (segments.len(), ids.len());
                    return Err(format!("{segments} segments, but the ids of {ids}"));
                }
                Ok(Outcome::Answered(FrontendOutput {
                    normalized,
                    segments,
                    ids,
                }))
            }
            _ => Err("neither an output nor an exception".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(normalized: &str, segments: &[&str]) -> Outcome {
        Outcome::Answered(FrontendOutput {
            normalized: normalized.into(),
            segments: segments.iter().map(|&s| s.into()).collect(),
            ids: segments.iter().map(|s| vec![s.len() as u32]).collect(),
        })
    }

    #[test]
    fn an_output_reads_back_and_leaves_out_what_follows_from_the_text() {
        for (text, outcome, line) in [
            ("Hi.", answered("Hi.", &["Hi."]), r#"{"ids":[[3]]}"#),
            (
                "Hi",
                answered("Hi", &["Hi."]),
                r#"{"segments":["Hi."],"ids":[[3]]}"#,
            ),
            (
                "5.",
                answered("five.", &["five."]),
                r#"{"normalized":"five.","ids":[[5]]}"#,
            ),
            ("...", answered("...", &[]), r#"{"segments":[],"ids":[]}"#),
            (
                "#1",
                Outcome::Raised("AssertionError".into()),
                r#"{"raised":"AssertionError"}"#,
            ),
        ] {
            let written = serde_json::to_string(&AnswerLine::of(text, outcome.clone())).unwrap();
            assert_eq!(written, line);
            let read: AnswerLine = serde_json::from_str(&written).unwrap();
            assert_eq!(read.outcome(text), Ok(outcome));
        }
    }

    #[test]
    fn ambiguous_and_empty_lines_are_refused() {
        for line in [
            "{}",
            r#"{"raised":"IndexError","ids":[[1]]}"#,
            r#"{"segments":["a","b"],"ids":[[1]]}"#,
            r#"{"normalized":"a"}"#,
        ] {
            let read: AnswerLine = serde_json::from_str(line).unwrap();
            assert!(read.outcome("a").is_err(), "{line}");
        }
    }
}
