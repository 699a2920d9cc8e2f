use native::llm::SamplingConfig;
use serde::Serialize;

/// A small mistake in a sampler, planted to see that it is caught. (The gross ones that ports make,
/// [`crate::wrong_sampler::Mistake`], change every text and are heard at once.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Planted {
    /// The nucleus ends at 0.7 of the probability, not at 0.8.
    TopP,
    /// The nucleus has at most 20 tokens, not 25.
    TopK,
    /// Repetitions are looked for in the last 8 tokens, not in 10.
    Window,
    /// A token may be repeated once in the window: tau is 0.2, not 0.1.
    Tau,
    /// The mark that the reference holds back at the beginning is not held back.
    Unmasked,
    /// The logits are divided by 0.95 before a token is drawn.
    Temperature,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TopP,
        Self::TopK,
        Self::Window,
        Self::Tau,
        Self::Unmasked,
        Self::Temperature,
    ];

    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::TopP => "top-p 0.7 for 0.8",
            Self::TopK => "top-k 20 for 25",
            Self::Window => "window 8 for 10",
            Self::Tau => "tau 0.2 for 0.1",
            Self::Unmasked => "no mark held back at the beginning",
            Self::Temperature => "temperature 0.95",
        }
    }

    /// The settings of a sampler with this mistake.
    pub(super) fn sampling(self, right: SamplingConfig) -> SamplingConfig {
        let mut sampling = right;
        match self {
            Self::TopP => sampling.top_p = 0.7,
            Self::TopK => sampling.top_k = 20,
            // One repetition is still one too many: 8 times 0.1 is less.
            Self::Window => sampling.win_size = 8,
            Self::Tau => sampling.tau_r = 0.2,
            Self::Unmasked | Self::Temperature => {}
        }
        sampling
    }

    /// What the logits are divided by.
    pub(super) fn temperature(self) -> f32 {
        match self {
            Self::Temperature => 0.95,
            _ => 1.0,
        }
    }
}
