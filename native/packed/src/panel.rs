//! Panels: the weights of sixteen outputs, input by input, in cache lines.

use rayon::prelude::*;

use crate::source::Source;

/// Outputs of a panel: the 32-bit lanes of the widest vectors.
pub(crate) const PANEL: usize = 16;

/// Sixteen float32 in one cache line, so that no vector crosses two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct PanelRow(pub(crate) [f32; PANEL]);

impl PanelRow {
    pub(crate) const ZERO: Self = Self([0.0; PANEL]);
}

/// A cache line of packed weights: one 32-bit word for each output of a panel. A word holds two
/// bfloat16, four bytes or eight half bytes, of as many successive inputs, the first in the lowest
/// bits.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Words(pub(crate) [u32; PANEL]);

impl Words {
    pub(crate) const ZERO: Self = Self([0; PANEL]);

    /// Without the alignment.
    pub(crate) fn plain(words: &[Self]) -> &[[u32; PANEL]] {
        const { assert!(size_of::<Self>() == size_of::<[u32; PANEL]>()) };
        // SAFETY: the array is the only field and fills the whole, and the slice has as many.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
    }
}

/// Reads the weight panel by panel, and lets `pack` fill each one's part of `packed`, which has
/// `length` elements for each panel. `pack` gets the rows of the panel's outputs, [PANEL, inputs],
/// with zeros for outputs beyond the last.
pub(crate) fn pack<T: Send>(
    weight: Source<'_>,
    inputs: usize,
    packed: &mut [T],
    length: usize,
    pack: impl Fn(&[f32], &mut [T]) + Sync,
) {
    if inputs == 0 || length == 0 {
        return;
    }
    let outputs = weight.len() / inputs;
    packed.par_chunks_mut(length).enumerate().for_each_init(
        || vec![0f32; PANEL * inputs],
        |rows, (panel, packed)| {
            let count = PANEL.min(outputs - panel * PANEL);
            weight.read(panel * PANEL * inputs, &mut rows[..count * inputs]);
            rows[count * inputs..].fill(0.0);
            pack(rows, packed);
        },
    );
}
