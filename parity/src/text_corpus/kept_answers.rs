//! The reference's answers in the making: one line for each text, in a file that grows, so that a
//! run that was stopped goes on where it was, and shards can be joined.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{AnswerLine, Outcome, Plan, Reference};
use crate::recording::Error;
use crate::shard::Shard;

/// The format of files of answers that this program writes and reads.
const FORMAT: u32 = 1;

/// The first line of a file of answers: what was asked, of whom, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswersHeader {
    answers_format: u32,
    /// SHA-256 of the plan.
    plan: String,
    /// SHA-256 of every file of texts, by name.
    texts: BTreeMap<String, String>,
    /// Who answered.
    pub reference: Reference,
    /// Which part of the run this is, if it is one.
    pub shard: Option<Shard>,
}

impl AnswersHeader {
    /// The header of the answers of `reference` to the texts of `plan`, or of a shard of them.
    pub fn new(plan: &Plan, reference: Reference, shard: Option<Shard>) -> Self {
        let texts = plan.texts.iter();
        Self {
            answers_format: FORMAT,
            plan: plan.sha256.clone(),
            texts: texts
                .map(|(name, t)| (name.clone(), t.sha256.clone()))
                .collect(),
            reference,
            shard,
        }
    }
}

/// A line after the first: the answer to a text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    part: String,
    /// The text's number in the part, counted from 1.
    number: usize,
    answer: AnswerLine,
}

/// Answers by part, and by the number of the text in it, counted from 1.
pub type Answers = BTreeMap<(String, usize), AnswerLine>;

/// A file of answers that is being written.
#[derive(Debug)]
pub struct KeptAnswers {
    path: PathBuf,
    file: File,
    answers: Answers,
}

impl KeptAnswers {
    /// Opens `path` to go on with it, or begins it. A last line that was cut off is dropped.
    ///
    /// # Errors
    /// If the file has the answers of another reference, or to other texts, or is damaged, or
    /// cannot be written.
    pub fn open(path: &Path, header: &AnswersHeader) -> Result<Self, Error> {
        let io = || Error::io(path);
        let (answers, whole) = match path.exists() {
            true => read_lines(path, Some(header))?,
            false => (Answers::new(), None),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io())?;
        let length = whole.map_or(0, |(length, _)| length);
        file.set_len(length).map_err(io())?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(io())?;
        let mut kept = Self {
            path: path.to_owned(),
            file,
            answers,
        };
        if length == 0 {
            kept.write(header)?;
        }
        Ok(kept)
    }

    /// The answers so far.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Adds the answer to a text, by its number in `part`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, part: &str, number: usize, answer: AnswerLine) -> Result<(), Error> {
        self.write(&Answered {
            part: part.to_owned(),
            number,
            answer: answer.clone(),
        })?;
        self.answers.insert((part.to_owned(), number), answer);
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Error> {
        // Serialising strings and numbers cannot fail.
        let line = serde_json::to_string(line).unwrap_or_default() + "\n";
        let written = self.file.write_all(line.as_bytes());
        written.map_err(Error::io(&self.path))
    }
}

/// What a file of answers holds.
#[derive(Clone, Debug)]
pub struct ReadAnswers {
    /// The file.
    pub path: PathBuf,
    /// Its first line.
    pub header: AnswersHeader,
    /// The answers.
    pub answers: Answers,
}

impl ReadAnswers {
    /// Reads a file of answers.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (answers, whole) = read_lines(path, None)?;
        let (_, header) = whole.ok_or_else(|| Error::damaged(path, "it has no first line"))?;
        Ok(Self {
            path: path.to_owned(),
            header,
            answers,
        })
    }
}

/// The answers in a file, with the length of its whole lines and the first of them, if there is one.
type Lines = (Answers, Option<(u64, AnswersHeader)>);

fn read_lines(path: &Path, expected: Option<&AnswersHeader>) -> Result<Lines, Error> {
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let whole = text
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let mut lines = text[..whole].split_inclusive(|&b| b == b'\n').zip(1..);
    let damaged = |number: usize, reason: &dyn std::fmt::Display| {
        Error::damaged(path, format!("line {number}: {reason}"))
    };
    let Some((first, _)) = lines.next() else {
        return Ok((Answers::new(), None));
    };
    let header: AnswersHeader = serde_json::from_slice(first).map_err(|e| damaged(1, &e))?;
    if header.answers_format != FORMAT {
        return Err(damaged(1, &format!("format {}", header.answers_format)));
    }
    if expected.is_some_and(|expected| *expected != header) {
        return Err(Error::Stale {
            path: path.to_owned(),
            reason: "it has answers to other texts, of another reference or of another shard"
                .into(),
        });
    }
    let mut answers = Answers::new();
    for (line, number) in lines {
        let line: Answered = serde_json::from_slice(line).map_err(|e| damaged(number, &e))?;
        if answers
            .insert((line.part, line.number), line.answer)
            .is_some()
        {
            return Err(damaged(number, &"the text was answered before"));
        }
    }
    Ok((answers, Some((whole as u64, header))))
}

/// Files of answers cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinAnswersError {
    /// No file was given.
    #[error("nothing to merge: name the file of every shard")]
    Nothing,
    /// A file is from another run.
    #[error("{}: it has answers to other texts, or of another reference, than {}", path.display(), first.display())]
    Different {
        /// The file.
        path: PathBuf,
        /// The first file.
        first: PathBuf,
    },
    /// A text is answered twice.
    #[error("{}: text {number} of {part} is answered in an earlier file too", path.display())]
    Double {
        /// The later file.
        path: PathBuf,
        /// The part.
        part: String,
        /// The text's number in it, counted from 1.
        number: usize,
    },
    /// Texts are not answered.
    #[error("{count} text(s) are answered in no file; the first is text {number} of {part}")]
    Gap {
        /// How many.
        count: usize,
        /// The part of the first.
        part: String,
        /// Its number there, counted from 1.
        number: usize,
    },
    /// An answer is to no text of the plan, or makes no sense.
    #[error("the answer to text {number} of {part}: {reason}")]
    Answer {
        /// The part.
        part: String,
        /// The text's number in it, counted from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Joins the answers of all shards: who answered, and the answers by part, in the plan's order.
///
/// # Errors
/// If a text has no answer or several, or the files are not of one run.
pub fn join_answers(
    plan: &Plan,
    files: &[ReadAnswers],
) -> Result<(Reference, BTreeMap<String, Vec<Outcome>>), JoinAnswersError> {
    let first = files.first().ok_or(JoinAnswersError::Nothing)?;
    let whole = |header: &AnswersHeader| AnswersHeader {
        shard: None,
        ..header.clone()
    };
    let expected = AnswersHeader::new(plan, first.header.reference.clone(), None);
    let mut all = Answers::new();
    for file in files {
        if whole(&file.header) != expected {
            return Err(JoinAnswersError::Different {
                path: file.path.clone(),
                first: first.path.clone(),
            });
        }
        for ((part, number), answer) in &file.answers {
            let key = (part.clone(), *number);
            if all.insert(key, answer.clone()).is_some() {
                return Err(JoinAnswersError::Double {
                    path: file.path.clone(),
                    part: part.clone(),
                    number: *number,
                });
            }
        }
    }
    let mut gaps = Vec::new();
    let mut joined = BTreeMap::new();
    for (part, planned) in &plan.parts {
        let mut outcomes = Vec::new();
        for ((_, _, text), number) in plan.lines(planned).zip(1..) {
            match all.remove(&(part.clone(), number)) {
                None => gaps.push((part.clone(), number)),
                Some(answer) => outcomes.push(answer.outcome(text).map_err(|reason| {
                    JoinAnswersError::Answer {
                        part: part.clone(),
                        number,
                        reason,
                    }
                })?),
            }
        }
        joined.insert(part.clone(), outcomes);
    }
    let count = gaps.len();
    if let Some((part, number)) = gaps.into_iter().next() {
        return Err(JoinAnswersError::Gap {
            count,
            part,
            number,
        });
    }
    if let Some(((part, number), _)) = all.pop_first() {
        return Err(JoinAnswersError::Answer {
            part,
            number,
            reason: "the plan has no such text".into(),
        });
    }
    Ok((first.header.reference.clone(), joined))
}
