//! The precision of a network's weights, chosen for each network by name.

use std::str::FromStr;

use candle_core::{DType, Device};
use packed_linear::Format;

use crate::{Error, Result};

/// How a network's weights are stored and multiplied.
///
/// On the CPU activations are float32 in every precision but `f16`, and weights of linear layers are
/// packed in the precision's format; convolutions, norms and attention stay in float32. On other
/// devices everything is computed in the precision's dtype.
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
    /// `q8`: 8-bit weights with a scale for 256 of them. CPU only.
    Q8,
    /// `q4`: 4-bit weights with a scale for 32 of them. CPU only.
    Q4,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 5] = [Self::F32, Self::Bf16, Self::F16, Self::Q8, Self::Q4];

    /// The name on a command line and in manifests, and the dtype in which weights are
    /// representable.
    fn entry(self) -> (&'static str, DType) {
        match self {
            Self::F32 => ("f32", DType::F32),
            Self::Bf16 => ("bf16", DType::BF16),
            Self::F16 => ("f16", DType::F16),
            Self::Q8 => ("q8", DType::F32),
            Self::Q4 => ("q4", DType::F32),
        }
    }

    /// The name on a command line and in manifests.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The dtype of activations on `device`, and of weights that are not packed.
    pub fn dtype(self, device: &Device) -> DType {
        match (self, device) {
            (Self::Bf16, Device::Cpu) => DType::F32,
            _ => self.entry().1,
        }
    }

    /// The dtype whose range bounds the weights.
    pub(crate) fn range(self) -> DType {
        self.entry().1
    }

    /// How linear layers are packed on the CPU.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::F32 | Self::F16 => Format::F32,
            Self::Bf16 => Format::Bf16,
            Self::Q8 => Format::Q8,
            Self::Q4 => Format::Q4,
        }
    }

    /// Whether a device computes in this precision.
    fn is_for(self, device: &Device) -> bool {
        device.is_cpu() || !matches!(self, Self::Q8 | Self::Q4)
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(s: &str) -> std::result::Result<Self, Self::Err> {
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
/// Written as a preset, optionally followed by exceptions, or network by network with `f32` for those
/// left out: `q8`, `q8,flow=bf16`, `llm=bf16`. A preset says what is worth it in each network:
///
/// | preset | language model | flow | vocoder |
/// |---|---|---|---|
/// | `f32` | f32 | f32 | f32 |
/// | `bf16` | bf16 | bf16 | f32 |
/// | `f16` | f16 | f16 | f32 |
/// | `q8` | q8 | q8 | f32 |
/// | `q4` | q4 | q8 | f32 |
///
/// The vocoder consists of convolutions and is a few percent of the work.
///
/// ```
/// use native::precision::{Precision, Precisions};
///
/// let precisions: Precisions = "q4,flow=bf16".parse()?;
/// assert_eq!(precisions, Precisions::preset(Precision::Q4).with_flow(Precision::Bf16));
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

impl Precisions {
    /// What a precision means for each network.
    pub fn preset(precision: Precision) -> Self {
        Self {
            llm: precision,
            flow: match precision {
                Precision::Q4 => Precision::Q8,
                other => other,
            },
            vocoder: Precision::F32,
        }
    }

    /// Every network in one precision.
    pub fn uniform(precision: Precision) -> Self {
        Self {
            llm: precision,
            flow: precision,
            vocoder: precision,
        }
    }

    /// Checks that a device computes in these precisions.
    ///
    /// # Errors
    /// If one is for the CPU only, and the device is another.
    pub fn check(self, device: &Device) -> Result<()> {
        let Self { llm, flow, vocoder } = self;
        match [llm, flow, vocoder].iter().find(|p| !p.is_for(device)) {
            None => Ok(()),
            Some(precision) => Err(Error::input(format!(
                "precision {precision} is for the CPU only: use f32, bf16 or f16 on this device"
            ))),
        }
    }
}

impl From<Precision> for Precisions {
    fn from(precision: Precision) -> Self {
        Self::preset(precision)
    }
}

impl std::fmt::Display for Precisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { llm, flow, vocoder } = self;
        if *self == Self::preset(*llm) {
            return llm.fmt(f);
        }
        write!(f, "llm={llm},flow={flow},vocoder={vocoder}")
    }
}

impl FromStr for Precisions {
    type Err = String;

    fn from_str(s: &str) -> std::result::Result<Self, Self::Err> {
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
            let preset = Precisions::from(precision);
            assert_eq!(preset.to_string(), precision.name());
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        let uniform = Precisions::uniform(Precision::Q8);
        assert_eq!(uniform.to_string(), "llm=q8,flow=q8,vocoder=q8");
        assert_eq!(uniform.to_string().parse(), Ok(uniform));
        let mixed = Precisions::default().with_flow(Precision::F16);
        assert_eq!(mixed.to_string(), "llm=f32,flow=f16,vocoder=f32");
        assert_eq!(mixed.to_string().parse(), Ok(mixed));
    }

    #[test]
    fn networks_that_are_left_out_take_the_first_precision_or_float32() {
        let bf16 = Precisions::from(Precision::Bf16);
        assert_eq!(
            "bf16,vocoder=bf16".parse(),
            Ok(bf16.with_vocoder(Precision::Bf16))
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
            "unknown precision `f8` (expected one of f32, bf16, f16, q8, q4)"
        );
        assert_eq!(
            error("llm=f8"),
            "unknown precision `f8` (expected one of f32, bf16, f16, q8, q4)"
        );
        assert_eq!(
            error("tokenizer=f32"),
            "unknown network `tokenizer` (expected llm, flow or vocoder)"
        );
        assert!(error("llm=bf16,f32").contains("`f32` names no network"));
        assert!(error("").contains("unknown precision ``"));
    }
}
