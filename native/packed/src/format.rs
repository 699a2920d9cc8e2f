/// How the weights of a [`PackedLinear`](crate::PackedLinear) are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// float32.
    F32,
    /// bfloat16.
    Bf16,
    /// 8 bit, with a float32 scale for 256 weights of an output.
    Q8,
    /// 4 bit, with a bfloat16 scale for 32 weights of an output.
    Q4,
}

impl Format {
    /// Every format, the most exact first.
    pub const ALL: [Self; 4] = [Self::F32, Self::Bf16, Self::Q8, Self::Q4];
}
