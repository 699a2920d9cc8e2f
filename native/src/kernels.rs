//! Which implementation of the networks' operations runs.

use std::str::FromStr;

use candle_core::{DType, Tensor};

/// Which implementation of the networks' operations runs on the CPU in float32. On every other
/// device, and in every other dtype, they are composed of candle's operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// Kernels of this crate, which are quicker and round less often.
    #[default]
    Own,
    /// candle's operations, as on a GPU: the way to test that path on a machine without one.
    Composed,
}

impl Kernels {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Own, Self::Composed];
    /// Every name.
    pub const NAMES: [&'static str; 2] = ["own", "composed"];

    /// The name on a command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Composed => "composed",
        }
    }

    /// Whether an operation on `x` has a kernel of this crate and is to use it: they take float32
    /// on the CPU.
    pub(crate) fn fit(self, x: &Tensor) -> bool {
        self == Self::Own && x.device().is_cpu() && x.dtype() == DType::F32
    }
}

impl std::fmt::Display for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kernels {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kernels| kernels.name() == s);
        found.ok_or_else(|| format!("unknown kernels `{s}` (expected own or composed)"))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn names_round_trip() {
        assert_eq!(Kernels::ALL.map(Kernels::name), Kernels::NAMES);
        for kernels in Kernels::ALL {
            assert_eq!(kernels.to_string().parse(), Ok(kernels));
        }
        assert!("cuda".parse::<Kernels>().is_err());
    }

    #[test]
    fn kernels_take_float32_unless_composed_operations_are_asked_for() -> candle_core::Result<()> {
        let x = Tensor::zeros(1, DType::F32, &Device::Cpu)?;
        assert!(Kernels::Own.fit(&x));
        assert!(!Kernels::Own.fit(&x.to_dtype(DType::BF16)?));
        assert!(!Kernels::Composed.fit(&x));
        Ok(())
    }
}
