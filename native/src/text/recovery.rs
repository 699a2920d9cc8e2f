//! Normalising a text that the normaliser does not accept as a whole.
//!
//! The reference raises an exception there. Here such a text is said as a person would expect: line
//! ends are unified, invisible characters dropped, runs of blanks closed up. If that is not enough,
//! the sentences with the characters that are in the way are left alone, and only they.

use std::fmt::Write as _;
use std::ops::Range;

use wetext::{Language, Normalizer};

/// Characters that a warning names at most.
const NAMED: usize = 3;
/// How far before the end of what is read the character that is in the way is looked for.
const NEAR: usize = 16;

/// A text that was normalised in spite of what is in it.
pub(super) struct Recovered {
    /// The normalised text.
    pub(super) text: String,
    /// What was left out or left alone, and where.
    pub(super) note: String,
}

/// Normalises `text` by the rules of `language`, which do not accept all of it. The characters
/// before it, for positions in messages, are `before`.
pub(super) fn normalize(
    wetext: &Normalizer,
    text: &str,
    before: usize,
    language: Language,
) -> Recovered {
    let tidied = Tidied::new(text, before);
    let whole = closed_up(&tidied.chars);
    if let Some(text) = accepted(wetext, &whole, language) {
        let note = match tidied.dropped {
            Some(odd) => format!("it was normalised without {odd}"),
            None => "it was normalised with single blanks".to_owned(),
        };
        return Recovered { text, note };
    }
    let sentences = sentences(&tidied.chars);
    let mut parts = Parts {
        wetext,
        language,
        tidied: &tidied,
        sentences: &sentences,
        found: Vec::new(),
    };
    parts.solve(0..sentences.len());
    parts.join_neighbours();
    parts.recovered()
}

/// A character that is in the way, and its position in the text, counted from 1.
#[derive(Clone, Copy)]
struct Odd {
    character: char,
    position: usize,
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            character,
            position,
        } = *self;
        let visible =
            !(character.is_whitespace() || character.is_control() || is_invisible(character));
        if visible {
            write!(f, "`{character}` ")?;
        }
        let code = u32::from(character);
        write!(f, "U+{code:04X} at character {position}")
    }
}

/// A text without invisible characters, its line ends unified to LF.
struct Tidied {
    /// Each with its position in the text, counted from 1.
    chars: Vec<(char, usize)>,
    /// The first character that was dropped or replaced.
    dropped: Option<Odd>,
}

impl Tidied {
    fn new(text: &str, before: usize) -> Self {
        let mut tidied = Self {
            chars: Vec::with_capacity(text.len()),
            dropped: None,
        };
        for (character, position) in text.chars().zip(before + 1..) {
            let follows_line_end = matches!(tidied.chars.last(), Some(('\n', _)));
            let kept = match character {
                c if is_invisible(c) => None,
                c if is_line_end(c) => (!follows_line_end).then_some('\n'),
                c => Some(c),
            };
            if kept != Some(character) {
                let odd = Odd {
                    character,
                    position,
                };
                tidied.dropped.get_or_insert(odd);
            }
            tidied.chars.extend(kept.map(|c| (c, position)));
        }
        tidied
    }
}

fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Characters that neither show nor change how a word is written: soft hyphen, zero-width space,
/// word joiner and byte order mark, marks of direction, variation selectors. Joiners stay, because
/// some scripts are spelled with them.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

/// The characters with every run of blanks and line ends as one blank, none at the ends.
fn closed_up(chars: &[(char, usize)]) -> String {
    let mut text = String::with_capacity(chars.len());
    for &(c, _) in chars {
        if !c.is_whitespace() {
            text.push(c);
        } else if !text.is_empty() && !text.ends_with(' ') {
            text.push(' ');
        }
    }
    text.truncate(text.trim_end_matches(' ').len());
    text
}

/// Ranges of the sentences, with their marks and quotes but without the blanks around them. A
/// sentence ends with a line, after a full-width mark, and after another mark before a blank.
fn sentences(chars: &[(char, usize)]) -> Vec<Range<usize>> {
    let at = |i: usize| chars.get(i).map(|&(c, _)| c);
    let mut found = Vec::new();
    let mut begin = 0;
    let mut i = 0;
    while let Some(c) = at(i) {
        i += 1;
        let full_width = matches!(c, '。' | '？' | '！' | '；');
        if full_width || matches!(c, '.' | '?' | '!' | ';' | ':' | '…') {
            while at(i).is_some_and(|c| matches!(c, '"' | '\'' | '”' | '’' | ')' | '）' | '」'))
            {
                i += 1;
            }
            if !full_width && at(i).is_some_and(|c| !c.is_whitespace()) {
                continue;
            }
        } else if c != '\n' {
            continue;
        }
        found.push(begin..i);
        begin = i;
    }
    found.push(begin..chars.len());
    let trimmed = found.into_iter().map(|mut range| {
        while !range.is_empty() && at(range.start).is_some_and(char::is_whitespace) {
            range.start += 1;
        }
        while !range.is_empty() && at(range.end - 1).is_some_and(char::is_whitespace) {
            range.end -= 1;
        }
        range
    });
    trimmed.filter(|range| !range.is_empty()).collect()
}

fn accepted(wetext: &Normalizer, text: &str, language: Language) -> Option<String> {
    let spoken = wetext.normalize_part(text, language).ok()?;
    (!spoken.is_empty()).then_some(spoken)
}

/// The text in parts of neighbouring sentences.
struct Parts<'a> {
    wetext: &'a Normalizer,
    language: Language,
    tidied: &'a Tidied,
    sentences: &'a [Range<usize>],
    found: Vec<Part>,
}

struct Part {
    /// Which of the sentences.
    range: Range<usize>,
    /// What it becomes; `None` for a sentence that is left alone.
    spoken: Option<String>,
}

impl Parts<'_> {
    /// The characters of some sentences, and of what is between them.
    fn chars(&self, range: &Range<usize>) -> &[(char, usize)] {
        let (begin, end) = (
            self.sentences[range.start].start,
            self.sentences[range.end - 1].end,
        );
        &self.tidied.chars[begin..end]
    }

    fn try_range(&self, range: &Range<usize>) -> Option<String> {
        let text = closed_up(self.chars(range));
        accepted(self.wetext, &text, self.language)
    }

    /// Halves what is not accepted, so that few sentences in the way cost few attempts.
    fn solve(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let spoken = self.try_range(&range);
        if spoken.is_some() || range.len() == 1 {
            self.found.push(Part { range, spoken });
            return;
        }
        let middle = range.start + range.len() / 2;
        self.solve(range.start..middle);
        self.solve(middle..range.end);
    }

    /// Normalises accepted neighbours as one: what looked like the end of a sentence may have been
    /// an abbreviation.
    fn join_neighbours(&mut self) {
        let runs = std::mem::take(&mut self.found);
        let mut runs = runs.into_iter().peekable();
        while let Some(part) = runs.next() {
            let mut run = vec![part];
            while run[0].spoken.is_some()
                && let Some(next) = runs.next_if(|next| next.spoken.is_some())
            {
                run.push(next);
            }
            let range = run[0].range.start..run[run.len() - 1].range.end;
            match (run.len() > 1).then(|| self.try_range(&range)).flatten() {
                Some(spoken) => self.found.push(Part {
                    range,
                    spoken: Some(spoken),
                }),
                None => self.found.extend(run),
            }
        }
    }

    fn recovered(&self) -> Recovered {
        let mut text = String::new();
        let mut odd = Vec::new();
        let mut end = None;
        for part in &self.found {
            let chars = self.chars(&part.range);
            let begin = self.sentences[part.range.start].start;
            if end.is_some_and(|end| end < begin) {
                text.push(' ');
            }
            end = Some(self.sentences[part.range.end - 1].end);
            match &part.spoken {
                Some(spoken) => text.push_str(spoken),
                None => {
                    text.extend(chars.iter().map(|&(c, _)| c));
                    odd.push(self.odd(chars));
                }
            }
        }
        let mut note = String::from("left unnormalised were only the sentences with ");
        if odd.len() == 1 {
            note = String::from("left unnormalised was only the sentence with ");
        }
        for (i, odd) in odd.iter().take(NAMED).enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(note, "{comma}{odd}");
        }
        if odd.len() > NAMED {
            let _ = write!(note, " and {} more", odd.len() - NAMED);
        }
        Recovered { text, note }
    }

    /// The character because of which a sentence is not accepted: the last one, up to where reading
    /// ends, that is not of the ASCII set, else a symbol, else the one that is not read. Reading
    /// often goes on for a while, because a word with anything in it may still become one thing.
    fn odd(&self, sentence: &[(char, usize)]) -> Odd {
        let text = closed_up(sentence);
        let stuck = self.wetext.stuck_at(&text, self.language);
        let read = text
            .char_indices()
            .take_while(|(at, c)| stuck.is_none_or(|stuck| at + c.len_utf8() <= stuck));
        // Blanks were closed up, so count the others.
        let read = read.filter(|(_, c)| *c != ' ').count();
        let inked: Vec<_> = sentence
            .iter()
            .filter(|(c, _)| !c.is_whitespace())
            .collect();
        let up_to = (read + 2).min(inked.len());
        let near = &inked[up_to.saturating_sub(NEAR)..up_to];
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '?' | '!' | ';');
        let &(character, position) = near
            .iter()
            .rfind(|(c, _)| !c.is_ascii())
            .or_else(|| near.iter().rfind(|(c, _)| !plain(*c)))
            .or(inked.get(read))
            .unwrap_or(&inked[inked.len() - 1]);
        Odd {
            character: *character,
            position: *position,
        }
    }
}
