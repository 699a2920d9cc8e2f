use std::fmt;
use std::str::FromStr;

use native::llm::SamplingConfig;
use serde::Serialize;

/// A small mistake in a sampler, planted to see that it is caught, or suspected in a port's. (The gross
/// ones that ports make, [`crate::wrong_sampler::Mistake`], change every text and are heard at once.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "mistake", content = "value")]
pub enum Planted {
    /// The nucleus ends at this share of the probability.
    TopP(f64),
    /// The nucleus has at most so many tokens.
    TopK(usize),
    /// Repetitions are looked for in so many of the last tokens. With more than 10 of them one
    /// repetition is not enough: 11 times 0.1 is more than 1.
    Window(usize),
    /// A token counts as repeated from this share of the window on.
    Tau(f64),
    /// The mark that the reference holds back at the beginning is not held back.
    Unmasked,
    /// The logits are divided by this before a token is drawn.
    Temperature(f32),
}

impl Planted {
    /// One of each kind.
    pub const ALL: [Self; 6] = [
        Self::TopP(0.7),
        Self::TopK(20),
        Self::Window(8),
        Self::Tau(0.2),
        Self::Unmasked,
        Self::Temperature(0.95),
    ];

    /// In a few words.
    pub fn name(self) -> String {
        match self {
            Self::TopP(share) => format!("top-p {share} for 0.8"),
            Self::TopK(count) => format!("top-k {count} for 25"),
            Self::Window(length) => format!("window {length} for 10"),
            Self::Tau(share) if share.is_infinite() => "no repetition rule".into(),
            Self::Tau(share) => format!("tau {share} for 0.1"),
            Self::Unmasked => "no mark held back at the beginning".into(),
            Self::Temperature(by) => format!("temperature {by}"),
        }
    }

    /// The settings of a sampler with this mistake.
    pub(crate) fn sampling(self, right: SamplingConfig) -> SamplingConfig {
        let mut sampling = right;
        match self {
            Self::TopP(share) => sampling.top_p = share,
            Self::TopK(count) => sampling.top_k = count,
            Self::Window(length) => sampling.win_size = length,
            Self::Tau(share) => sampling.tau_r = share,
            Self::Unmasked | Self::Temperature(_) => {}
        }
        sampling
    }

    /// What the logits are divided by.
    pub(crate) fn temperature(self) -> f32 {
        match self {
            Self::Temperature(by) => by,
            _ => 1.0,
        }
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopP(share) => write!(f, "top-p={share}"),
            Self::TopK(count) => write!(f, "top-k={count}"),
            Self::Window(length) => write!(f, "window={length}"),
            Self::Tau(share) => write!(f, "tau={share}"),
            Self::Unmasked => write!(f, "unmasked"),
            Self::Temperature(by) => write!(f, "temperature={by}"),
        }
    }
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = match text.split_once('=') {
            Some((kind, value)) => (kind, Some(value)),
            None => (text, None),
        };
        let one = Self::ALL.into_iter().find(|p| {
            let shown = p.to_string();
            shown.split('=').next() == Some(kind)
        });
        let Some(one) = one else {
            let kinds = Self::ALL.map(|p| p.to_string()).join(", ");
            return Err(format!(
                "unknown mistake `{kind}`: it may be {kinds}, or with another number"
            ));
        };
        let Some(value) = value else {
            return Ok(one);
        };
        let wrong = |what: &str| format!("`{value}` is not {what}");
        let positive = || {
            let number = value.parse().ok().filter(|v: &f64| *v > 0.0);
            number.ok_or_else(|| wrong("a number above 0"))
        };
        let count = || {
            let count = value
                .parse()
                .ok()
                .filter(|c: &usize| (1..=10_000).contains(c));
            count.ok_or_else(|| wrong("a whole number from 1 to 10000"))
        };
        Ok(match one {
            Self::TopP(_) => Self::TopP(positive()?),
            Self::TopK(_) => Self::TopK(count()?),
            Self::Window(_) => Self::Window(count()?),
            Self::Tau(_) => Self::Tau(positive()?),
            Self::Temperature(_) => {
                let by = value.parse().ok().filter(|v: &f32| *v > 0.0);
                Self::Temperature(by.ok_or_else(|| wrong("a number above 0"))?)
            }
            Self::Unmasked => return Err(format!("`{kind}` has no number")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_read_as_it_is_shown() {
        for planted in Planted::ALL {
            assert_eq!(planted.to_string().parse(), Ok(planted));
        }
        assert_eq!("top-p=0.79".parse(), Ok(Planted::TopP(0.79)));
        assert_eq!("top-p".parse(), Ok(Planted::TopP(0.7)));
        assert_eq!("tau=inf".parse(), Ok(Planted::Tau(f64::INFINITY)));
    }

    #[test]
    fn what_is_no_mistake_is_refused_with_the_way_out() {
        let refused = |text: &str| text.parse::<Planted>().unwrap_err();
        assert!(refused("beam").contains("top-p=0.7, top-k=20"));
        assert!(refused("window=0").contains("from 1"));
        assert!(refused("temperature=-1").contains("above 0"));
        assert!(refused("top-k=many").contains("`many`"));
        assert!(refused("unmasked=1").contains("no number"));
    }
}
