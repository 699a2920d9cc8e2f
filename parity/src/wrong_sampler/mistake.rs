use native::llm::{Draw, LmPrompt, Sampler, SamplingConfig, SpeechLm, Strategy};
use native::torch_rng::Multinomial;
use serde::Serialize;

/// A mistake that ports make in sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// The nucleus is limited by top-k alone.
    TopP,
    /// The nucleus is limited by top-p alone.
    TopK,
    /// There is no nucleus: every token can be drawn.
    Nucleus,
    /// A token that has just been said is not held back.
    Repetition,
    /// The control tokens do not end the speech.
    StopIds,
    /// Speech may end at once.
    MinimumLength,
}

/// What was sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Speech tokens alone.
    pub tokens: Vec<u32>,
    /// Whether a control token ended them.
    pub stopped: bool,
    /// By how much the logits would have had to differ for another token to win, draw by draw.
    pub margins: Vec<f32>,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TopP,
        Self::TopK,
        Self::Nucleus,
        Self::Repetition,
        Self::StopIds,
        Self::MinimumLength,
    ];

    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::TopP => "no top-p",
            Self::TopK => "no top-k",
            Self::Nucleus => "neither top-p nor top-k",
            Self::Repetition => "no repetition rule",
            Self::StopIds => "no stop ids",
            Self::MinimumLength => "no minimum length",
        }
    }

    /// What the port does instead.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::TopP => "draws among the 25 likeliest tokens, however unlikely they are",
            Self::TopK => {
                "draws among the tokens that make up 80% of the probability, however many they are"
            }
            Self::Nucleus => "draws among all 6761 tokens",
            Self::Repetition => {
                "keeps a token that was said within the last ten, where the reference draws another \
                 one from all tokens"
            }
            Self::StopIds => "takes the tokens from 6561 on, all of which end speech, for speech",
            Self::MinimumLength => {
                "does not hold back 6561 until two tokens a text token are said (the other \
                 control tokens are not held back by the reference either)"
            }
        }
    }

    fn sampling(self, right: SamplingConfig) -> SamplingConfig {
        let mut sampling = right;
        if matches!(self, Self::TopP | Self::Nucleus) {
            sampling.top_p = 2.0; // which no sum of probabilities reaches
        }
        if matches!(self, Self::TopK | Self::Nucleus) {
            sampling.top_k = usize::MAX;
        }
        if self == Self::Repetition {
            sampling.tau_r = 2.0; // twice as often as the window has tokens
        }
        sampling
    }
}

/// Samples a segment with a mistake, or as the reference does.
///
/// # Errors
/// If the model cannot continue the prompt.
pub(super) fn sample(
    lm: &SpeechLm,
    prompt: &LmPrompt,
    mistake: Option<Mistake>,
    seed: u64,
) -> native::Result<Sampled> {
    let config = lm.config();
    let sampling = mistake.map_or(config.sampling, |m| m.sampling(config.sampling));
    let multinomial = Multinomial::default();
    let mut sampler = Sampler::new(Strategy::Torch { seed, multinomial }, sampling);
    let mut steps = lm.steps(prompt)?;
    let mut all = Vec::new();
    let (mut stopped, mut margins) = (false, Vec::new());
    while all.len() < prompt.max_len() && !stopped {
        let logits = steps.logits()?;
        let early = all.len() < prompt.min_len() && mistake != Some(Mistake::MinimumLength);
        let masked = early.then(|| config.start_of_sequence());
        let token = sampler.sample(&logits, &all, masked)?;
        margins.extend(sampler.last_draw().map(lead));
        let speech = (token as usize) < config.speech_token_size;
        stopped = !speech && mistake != Some(Mistake::StopIds);
        if !stopped {
            all.push(token);
            steps.push(token);
        }
    }
    all.retain(|&token| (token as usize) < config.speech_token_size);
    Ok(Sampled {
        tokens: all,
        stopped,
        margins,
    })
}

/// The lead of a draw. The order of neighbours is left out of it: tokens that stand for one code have
/// equal logits, and are next to each other in every nucleus.
fn lead(draw: &Draw) -> f32 {
    let vocabulary = draw.vocabulary_lead.unwrap_or(f32::INFINITY);
    draw.nucleus_lead.min(draw.size_gap).min(vocabulary)
}
