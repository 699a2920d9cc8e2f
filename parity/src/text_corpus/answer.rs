use serde::{Deserialize, Serialize};

/// What a frontend made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendOutput {
    /// The whole text, normalised.
    pub normalized: String,
    /// What is synthesised one by one.
    pub segments: Vec<String>,
    /// The token ids of each segment.
    pub ids: Vec<Vec<u32>>,
}

/// What the reference did with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered(FrontendOutput),
    /// It raised an exception of this name, or came to no end (`NoEnd`).
    Raised(String),
}

/// An [`Outcome`] as a line of a recording: either `raised` or `ids` is there, and what can be
/// told from the text is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerLine {
    /// The name of the exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<String>,
    /// The whole text, normalised, where that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalized: Option<String>,
    /// The segments, where they are not the normalised text alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<String>>,
    /// The ids of each segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Vec<u32>>>,
}

impl AnswerLine {
    /// The line for what became of `text`.
    pub fn of(text: &str, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Raised(kind) => Self {
                raised: Some(kind),
                normalized: None,
                segments: None,
                ids: None,
            },
            Outcome::Answered(spoken) => {
                let alone = spoken.segments == std::slice::from_ref(&spoken.normalized);
                Self {
                    raised: None,
                    segments: (!alone).then_some(spoken.segments),
                    normalized: (spoken.normalized != text).then_some(spoken.normalized),
                    ids: Some(spoken.ids),
                }
            }
        }
    }

    /// What became of `text`; what is wrong with the line, if it is no answer.
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
                    return Err(format!("{segments} segments with the ids of {ids}"));
                }
                Ok(Outcome::Answered(FrontendOutput {
                    normalized,
                    segments,
                    ids,
                }))
            }
            _ => Err("neither an answer nor an exception".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(normalized: &str, segments: &[&str]) -> Outcome {
        Outcome::Answered(FrontendOutput {
            normalized: normalized.into(),
            segments: segments.iter().map(|&s| s.into()).collect(),
            ids: segments.iter().map(|s| vec![s.len() as u32]).collect(),
        })
    }

    #[test]
    fn an_answer_reads_back_and_leaves_out_what_the_text_tells() {
        for (text, outcome, line) in [
            ("Hi.", spoken("Hi.", &["Hi."]), r#"{"ids":[[3]]}"#),
            (
                "Hi",
                spoken("Hi", &["Hi."]),
                r#"{"segments":["Hi."],"ids":[[3]]}"#,
            ),
            (
                "5.",
                spoken("five.", &["five."]),
                r#"{"normalized":"five.","ids":[[5]]}"#,
            ),
            ("...", spoken("...", &[]), r#"{"segments":[],"ids":[]}"#),
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
    fn a_line_that_says_two_things_or_nothing_is_refused() {
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
