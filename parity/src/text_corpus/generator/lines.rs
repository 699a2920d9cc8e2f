use super::numbers::number;
use super::words::{BLANKS, CHINESE, ENGLISH, INSTRUCTIONS, MARKUP, PUNCTUATION, UNUSUAL};
use crate::random::Random;

/// The kind of a random line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// English sentences with numbers.
    English,
    /// Chinese sentences with numbers.
    Chinese,
    /// Both in one line.
    Mixed,
    /// Damaged sentences: characters doubled, lost, moved, replaced.
    Damaged,
    /// Marks, blanks, digits and characters of any script in any order.
    Hostile,
    /// Special tokens, whole and broken, and instruction prefixes.
    Markup,
    /// English or Chinese paragraphs of 300 to 3,000 characters.
    Paragraph,
}

impl LineKind {
    /// Every kind, with its share of 1,000 lines. Paragraphs are rare because they take the
    /// reference a hundred times as long as other lines.
    pub const ALL: [(Self, u64); 7] = [
        (Self::English, 250),
        (Self::Chinese, 250),
        (Self::Mixed, 120),
        (Self::Damaged, 180),
        (Self::Hostile, 140),
        (Self::Markup, 50),
        (Self::Paragraph, 10),
    ];

    /// The name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "english",
            Self::Chinese => "chinese",
            Self::Mixed => "mixed",
            Self::Damaged => "damaged",
            Self::Hostile => "hostile",
            Self::Markup => "markup",
            Self::Paragraph => "paragraph",
        }
    }
}

impl std::str::FromStr for LineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::ALL.map(|(kind, _)| kind);
        let names = all.map(Self::name).join(", ");
        let found = all.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("unknown kind `{name}` (expected one of {names})"))
    }
}

/// Random lines, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Random,
}

impl Generator {
    /// The lines of `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
        }
    }

    /// A line of a random kind.
    pub fn any(&mut self) -> (LineKind, String) {
        let mut at = self
            .random
            .below(LineKind::ALL.iter().map(|(_, share)| share).sum());
        for (kind, share) in LineKind::ALL {
            match at.checked_sub(share) {
                Some(rest) => at = rest,
                None => return (kind, self.line(kind)),
            }
        }
        (LineKind::Hostile, self.line(LineKind::Hostile))
    }

    /// A line of `kind`.
    pub fn line(&mut self, kind: LineKind) -> String {
        match kind {
            LineKind::English => self.sentences(Self::english, 3),
            LineKind::Chinese => self.sentences(Self::chinese, 3),
            LineKind::Mixed => self.mixed(),
            LineKind::Damaged => self.damaged(),
            LineKind::Hostile => self.hostile(),
            LineKind::Markup => self.markup(),
            LineKind::Paragraph => self.paragraph(),
        }
    }

    fn sentences(&mut self, sentence: impl Fn(&mut Self) -> String, most: u64) -> String {
        let count = self.random.between(1, most);
        (0..count).map(|_| sentence(self)).collect()
    }

    /// A sentence that ends with a mark and a blank, or without a mark.
    fn english(&mut self) -> String {
        let random = &mut self.random;
        let mut text = String::new();
        for at in 0..random.between(1, 14) {
            let word = if random.chance(18) {
                number(random)
            } else {
                random.pick(ENGLISH).to_owned()
            };
            match random.below(40) {
                0 => text.push_str(&format!("({word})")),
                1 => text.push_str(&format!("\"{word}\"")),
                2 => text.push_str(&format!("“{word}”")),
                3 => text.push_str(&word.to_uppercase()),
                _ if at == 0 => text.push_str(&capitalised(&word)),
                _ => text.push_str(&word),
            }
            text.push_str(random.pick(&[" ", " ", " ", " ", " ", " ", ", ", "; ", " - ", ": "]));
        }
        let kept = text.trim_end_matches([' ', ',', ';', '-', ':']).len();
        text.truncate(kept);
        text + random.pick(&[". ", ". ", ". ", "! ", "? ", "...", ".\" ", "", "!? "])
    }

    fn chinese(&mut self) -> String {
        let random = &mut self.random;
        let mut text = String::new();
        for _ in 0..random.between(1, 10) {
            let word = if random.chance(18) {
                number(random)
            } else {
                let characters = random.chance(30).then(|| self::characters(random));
                characters.unwrap_or_else(|| random.pick(CHINESE).to_owned())
            };
            match random.below(40) {
                0 => text.push_str(&format!("（{word}）")),
                1 => text.push_str(&format!("“{word}”")),
                2 => text.push_str(&format!("《{word}》")),
                _ => text.push_str(&word),
            }
            text.push_str(random.pick(&["", "", "", "", "", "，", "、", "，", " "]));
        }
        text + random.pick(&[
            "。", "。", "。", "！", "？", "；", "……", "。”", "", "，", "：",
        ])
    }

    fn mixed(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.random.between(1, 3) {
            let random = &mut self.random;
            match random.below(4) {
                0 => text.push_str(&self.english()),
                1 => text.push_str(&self.chinese()),
                2 => text.push_str(random.pick(CHINESE)),
                _ => {
                    text.push_str(random.pick(ENGLISH));
                    text.push_str(&number(random));
                }
            }
        }
        // Some words lack characters of the block that makes a text Chinese.
        text + "的"
    }

    fn damaged(&mut self) -> String {
        let kind = self
            .random
            .pick(&[LineKind::English, LineKind::Chinese, LineKind::Mixed]);
        let mut text: Vec<char> = self.line(kind).chars().collect();
        let random = &mut self.random;
        for _ in 0..random.between(1, 5) {
            let at = random.below(text.len() as u64 + 1) as usize;
            match random.below(6) {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => text[at] = char::from(b'0' + random.below(10) as u8),
                2 => text.insert(at, random.pick(PUNCTUATION)),
                3 => drop(text.splice(at..at, random.pick(UNUSUAL).chars())),
                4 => drop(text.splice(at..at, random.pick(BLANKS).chars())),
                _ => {
                    let from = at.saturating_sub(random.between(1, 8) as usize);
                    let again = text[from..at].to_vec();
                    drop(text.splice(at..at, again));
                }
            }
        }
        text.into_iter().collect()
    }

    fn hostile(&mut self) -> String {
        let random = &mut self.random;
        let mut text = String::new();
        for _ in 0..random.between(0, 25) {
            match random.below(12) {
                0 | 1 => text.push_str(&number(random)),
                2 => text.push_str(random.pick(ENGLISH)),
                3 => text.push_str(random.pick(CHINESE)),
                4..7 => text.push(random.pick(PUNCTUATION)),
                7 | 8 => text.push_str(random.pick(UNUSUAL)),
                9 => text.push_str(random.pick(BLANKS)),
                10 => text.push_str(&random.pick(PUNCTUATION).to_string().repeat(3)),
                _ => text.push(any_character(random)),
            }
            if random.chance(25) {
                text.push(' ');
            }
        }
        text
    }

    fn markup(&mut self) -> String {
        let mut text = String::new();
        if self.random.chance(30) {
            text.push_str(self.random.pick(INSTRUCTIONS));
        }
        for _ in 0..self.random.between(1, 3) {
            let kind = self
                .random
                .pick(&[LineKind::English, LineKind::Chinese, LineKind::Mixed]);
            text.push_str(&self.line(kind));
            text.push_str(self.random.pick(MARKUP));
        }
        text
    }

    fn paragraph(&mut self) -> String {
        // Few are very long: see `LineKind::ALL`.
        let most = if self.random.chance(80) { 900 } else { 3000 };
        let length = self.random.between(300, most) as usize;
        let chinese = self.random.chance(50);
        let mut text = String::new();
        while text.chars().count() < length {
            text.push_str(&if chinese {
                self.chinese()
            } else {
                self.english()
            });
        }
        text.chars().take(3000).collect()
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// Common characters in random order.
fn characters(random: &mut Random) -> String {
    let count = random.between(1, 6);
    // The beginning of the block has many common characters and no unassigned ones.
    let one = |_| char::from_u32(0x4e00 + random.below(0x1000) as u32);
    (0..count).filter_map(one).collect()
}

fn any_character(random: &mut Random) -> char {
    let code = match random.below(4) {
        0 => random.below(0x250),
        1 => random.below(0x3000),
        2 => random.between(0x3000, 0xffff),
        _ => random.below(0x11_0000),
    };
    // Surrogates are not characters.
    char::from_u32(code as u32).unwrap_or('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_lines_and_another_gives_others() {
        let lines = |seed| {
            let mut generator = Generator::new(seed);
            (0..200).map(move |_| generator.any()).collect::<Vec<_>>()
        };
        assert_eq!(lines(1), lines(1));
        assert_ne!(lines(1), lines(2));
    }

    #[test]
    fn every_kind_occurs_and_has_its_form() {
        let mut generator = Generator::new(3);
        let lines: Vec<_> = (0..3000).map(|_| generator.any()).collect();
        let is_chinese = |c| ('\u{4e00}'..='\u{9fff}').contains(&c);
        for (kind, _) in LineKind::ALL {
            let found: Vec<_> = lines.iter().filter(|(k, _)| *k == kind).collect();
            assert!(found.len() > 10, "{} lines of {kind:?}", found.len());
            for (_, line) in found {
                let length = line.chars().count();
                match kind {
                    LineKind::Mixed => assert!(line.contains(is_chinese), "{line}"),
                    LineKind::Paragraph => assert!((300..=3000).contains(&length), "{length}"),
                    _ => assert!(length < 2000, "{length}"),
                }
            }
            assert_eq!(kind.name().parse(), Ok(kind));
        }
    }
}
