use serde::Serialize;

/// Something about a draw whose distribution is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The number of tokens, as a multiple of the text's median.
    Length,
    /// What ended the tokens: which mark and whether before the fewest tokens, or the longest
    /// length.
    Stop,
    /// The first token of each text.
    FirstToken,
    /// How long ago each token was drawn last.
    Repeats,
    /// The share of silent tokens.
    Silence,
    /// Whether a draw is longer than 1.5 times the text's median.
    Overlong,
    /// Whether there is no token at all.
    Empty,
    /// Which tokens are drawn.
    Tokens,
    /// How likely each token was when it was drawn.
    Ranks,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Length,
        Self::Stop,
        Self::FirstToken,
        Self::Repeats,
        Self::Silence,
        Self::Overlong,
        Self::Empty,
        Self::Tokens,
        Self::Ranks,
    ];

    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Stop => "what ends them",
            Self::FirstToken => "first tokens",
            Self::Repeats => "repetitions",
            Self::Silence => "share of silence",
            Self::Overlong => "overlong draws",
            Self::Empty => "empty draws",
            Self::Tokens => "tokens",
            Self::Ranks => "ranks",
        }
    }

    /// What is counted or measured, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Length => "the number of tokens, as a multiple of the text's median",
            Self::Stop => {
                "which mark ended the tokens, and whether before twice the text's ids, or the \
                 longest length"
            }
            Self::FirstToken => "how often each token is a text's first",
            Self::Repeats => {
                "how many tokens ago the same one was drawn, up to 16; the reference looks 10 back"
            }
            Self::Silence => "the share of a draw's tokens that sound as silence",
            Self::Overlong => "draws longer than 1.5 times the text's median",
            Self::Empty => "draws without a token",
            Self::Tokens => "how often each token is drawn",
            Self::Ranks => {
                "how many tokens were likelier than the one that was drawn, by the engine's own \
                 logits"
            }
        }
    }

    /// The test that it is put to, each with p-values from permutations.
    pub fn test(self) -> &'static str {
        match self {
            Self::Length | Self::Silence => "Kolmogorov–Smirnov",
            _ => "G",
        }
    }
}
