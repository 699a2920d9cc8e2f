use std::sync::OnceLock;

/// What the processor has of the instructions that the kernels use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cpu {
    /// AVX2 with fused multiply-adds.
    pub avx2: bool,
    /// AVX-512 F, BW, DQ and VL.
    pub avx512: bool,
    /// Products of bfloat16 in AVX-512.
    pub avx512_bf16: bool,
    /// Products of 8-bit integers in AVX-512.
    pub avx512_vnni: bool,
    /// Tiles of bfloat16, which the operating system has allowed.
    pub amx_bf16: bool,
    /// Tiles of 8-bit integers, which the operating system has allowed.
    pub amx_int8: bool,
}

impl Cpu {
    /// What this machine has. Asks the operating system for the use of tiles, once.
    pub fn detect() -> Self {
        static FOUND: OnceLock<Cpu> = OnceLock::new();
        *FOUND.get_or_init(Self::look)
    }

    #[cfg(target_arch = "x86_64")]
    fn look() -> Self {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let tiles = crate::x86::tiles::allowed();
        Self {
            avx2: is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            avx512,
            avx512_bf16: avx512 && is_x86_feature_detected!("avx512bf16"),
            avx512_vnni: avx512 && is_x86_feature_detected!("avx512vnni"),
            amx_bf16: avx512 && tiles.bf16,
            amx_int8: avx512 && tiles.int8,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn look() -> Self {
        Self::default()
    }

    /// What both have.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            avx2: self.avx2 && other.avx2,
            avx512: self.avx512 && other.avx512,
            avx512_bf16: self.avx512_bf16 && other.avx512_bf16,
            avx512_vnni: self.avx512_vnni && other.avx512_vnni,
            amx_bf16: self.amx_bf16 && other.amx_bf16,
            amx_int8: self.amx_int8 && other.amx_int8,
        }
    }

    /// The names of what is there, as in `avx2 avx512 amx-bf16`; `portable` if none is.
    pub fn names(&self) -> String {
        let names = [
            (self.avx2, "avx2"),
            (self.avx512, "avx512"),
            (self.avx512_bf16, "avx512-bf16"),
            (self.avx512_vnni, "avx512-vnni"),
            (self.amx_bf16, "amx-bf16"),
            (self.amx_int8, "amx-int8"),
        ];
        let found: Vec<_> = names.iter().filter(|(has, _)| *has).map(|n| n.1).collect();
        match found.is_empty() {
            true => "portable".into(),
            false => found.join(" "),
        }
    }
}
