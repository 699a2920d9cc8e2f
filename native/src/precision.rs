//! The precision of a network's weights, chosen for each network by name.

use std::str::FromStr;

use candle_core::DType;

/// How a network's weights are stored and multiplied.
///
/// A precision is not the same as a dtype: an 8-bit one would still compute with float32
/// activations. A new one is a variant here and, if candle has no dtype for it, a weight and a
/// kernel in the linear layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// `f32`, the reference's own.
    #[default]
    F32,
    /// `bf16`.
    Bf16,
    /// `f16`.
    F16,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// The name on a command line and in manifests, and the dtype of activations.
    fn entry(self) -> (&'static str, DType) {
        match self {
            Self::F32 => ("f32", DType::F32),
            Self::Bf16 => ("bf16", DType::BF16),
            Self::F16 => ("f16", DType::F16),
        }
    }

    /// The name on a command line and in manifests.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The dtype of the activations, and of weights that are neither quantised nor packed.
    pub fn dtype(self) -> DType {
        self.entry().1
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|precision| precision.name() == s)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("unknown precision `{s}` (expected one of {names})")
            })
    }
}

/// The precision of every network.
///
/// Written as one precision for all networks, optionally followed by exceptions, or network by
/// network with `f32` for those left out: `bf16`, `bf16,vocoder=f32`, `llm=bf16`.
///
/// ```
/// use native::precision::{Precision, Precisions};
///
/// let precisions: Precisions = "bf16,vocoder=f32".parse()?;
/// assert_eq!(precisions, Precisions::from(Precision::Bf16).with_vocoder(Precision::F32));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Precisions {
    /// Language model.
    pub llm: Precision,
    /// Flow-matching model.
    pub flow: Precision,
    /// Vocoder; its F0 predictor computes in float64 whatever the precision.
    pub vocoder: Precision,
}

impl Precisions {
    /// The same, with the language model in `precision`.
    pub fn with_llm(self, precision: Precision) -> Self {
        Self {
            llm: precision,
            ..self
        }
    }

    /// The same, with the flow in `precision`.
    pub fn with_flow(self, precision: Precision) -> Self {
        Self {
            flow: precision,
            ..self
        }
    }

    /// The same, with the vocoder in `precision`.
    pub fn with_vocoder(self, precision: Precision) -> Self {
        Self {
            vocoder: precision,
            ..self
        }
    }
}

impl From<Precision> for Precisions {
    fn from(precision: Precision) -> Self {
        Self {
            llm: precision,
            flow: precision,
            vocoder: precision,
        }
    }
}

impl std::fmt::Display for Precisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { llm, flow, vocoder } = self;
        if llm == flow && flow == vocoder {
            return llm.fmt(f);
        }
        write!(f, "llm={llm},flow={flow},vocoder={vocoder}")
    }
}

impl FromStr for Precisions {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut precisions = Self::default();
        for (i, entry) in s.split(',').enumerate() {
            precisions = match entry.split_once('=') {
                None if i == 0 => entry.parse::<Precision>()?.into(),
                None => {
                    return Err(format!(
                        "`{entry}` names no network (only the first precision may apply to all)"
                    ));
                }
                Some(("llm", precision)) => precisions.with_llm(precision.parse()?),
                Some(("flow", precision)) => precisions.with_flow(precision.parse()?),
                Some(("vocoder", precision)) => precisions.with_vocoder(precision.parse()?),
                Some((network, _)) => {
                    return Err(format!(
                        "unknown network `{network}` (expected llm, flow or vocoder)"
                    ));
                }
            };
        }
        Ok(precisions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
            let uniform = Precisions::from(precision);
            assert_eq!(uniform.to_string(), precision.name());
            assert_eq!(uniform.to_string().parse(), Ok(uniform));
        }
        let mixed = Precisions::default().with_flow(Precision::F16);
        assert_eq!(mixed.to_string(), "llm=f32,flow=f16,vocoder=f32");
        assert_eq!(mixed.to_string().parse(), Ok(mixed));
    }

    #[test]
    fn networks_that_are_left_out_take_the_first_precision_or_float32() {
        let bf16 = Precisions::from(Precision::Bf16);
        assert_eq!(
            "bf16,vocoder=f32".parse(),
            Ok(bf16.with_vocoder(Precision::F32))
        );
        assert_eq!(
            "llm=bf16".parse(),
            Ok(Precisions::default().with_llm(Precision::Bf16))
        );
    }

    #[test]
    fn unknown_names_are_errors() {
        let error = |s: &str| s.parse::<Precisions>().unwrap_err();
        assert_eq!(
            error("f8"),
            "unknown precision `f8` (expected one of f32, bf16, f16)"
        );
        assert_eq!(
            error("llm=f8"),
            "unknown precision `f8` (expected one of f32, bf16, f16)"
        );
        assert_eq!(
            error("tokenizer=f32"),
            "unknown network `tokenizer` (expected llm, flow or vocoder)"
        );
        assert!(error("llm=bf16,f32").contains("`f32` names no network"));
        assert!(error("").contains("unknown precision ``"));
    }
}
