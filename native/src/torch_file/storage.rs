/// What a storage holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    U8,
}

impl Element {
    /// By the name of torch's class.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "torch\nDoubleStorage" => Self::F64,
            "torch\nFloatStorage" => Self::F32,
            "torch\nHalfStorage" => Self::F16,
            "torch\nBFloat16Storage" => Self::BF16,
            "torch\nLongStorage" => Self::I64,
            "torch\nIntStorage" => Self::I32,
            "torch\nShortStorage" => Self::I16,
            "torch\nByteStorage" | "torch\nBoolStorage" => Self::U8,
            _ => return None,
        })
    }

    /// Bytes of one.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::U8 => 1,
        }
    }
}
