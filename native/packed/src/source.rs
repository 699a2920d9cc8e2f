use half::{bf16, f16};

/// A weight matrix [outputs, inputs] as it lies in memory, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// float32.
    F32(&'a [f32]),
    /// float16.
    F16(&'a [f16]),
    /// bfloat16.
    Bf16(&'a [bf16]),
}

impl Source<'_> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F16(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }

    /// Writes the elements from `first` on to `out`, as float32.
    pub(crate) fn read(&self, first: usize, out: &mut [f32]) {
        let range = first..first + out.len();
        match self {
            Self::F32(x) => out.copy_from_slice(&x[range]),
            Self::F16(x) => convert(&x[range], out),
            Self::Bf16(x) => convert(&x[range], out),
        }
    }
}

fn convert<T: Copy + Into<f32>>(from: &[T], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from.into();
    }
}
