//! How far two values are apart: pure functions that do not know who recorded them.

pub mod align;
pub mod audio;
pub mod cepstrum;
pub mod f0;
pub mod logits;
pub mod spectrum;
pub mod tensor;
pub mod text;
pub mod tokens;

/// White noise within ±0.5, the same for the same seed.
#[cfg(test)]
fn white_noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect()
}
