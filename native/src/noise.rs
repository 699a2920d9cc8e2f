//! The noise that the reference's constructors draw and no checkpoint contains.
//!
//! Building the flow seeds torch with 0 and keeps 80 × 15,000 normals. What is built after it
//! draws on from the same stream: the initial weights (overwritten by the checkpoint, but drawn)
//! and then the vocoder's own noise. So both follow from the sizes of the modules alone.
//! (Reference: `CausalConditionalCFM.__init__`, `SineGen2.__init__`.)

use crate::torch_rng::{Multinomial, TorchRng};

/// Mel channels of the flow's noise.
pub const FLOW_CHANNELS: usize = 80;
/// Frames of the flow's noise, which cap a synthesis: 300 s, prompt included.
pub const FLOW_FRAMES: usize = 15_000;
/// Samples of the vocoder's noise: 300 s at 24 kHz.
pub const VOCODER_SAMPLES: usize = 300 * 24_000;

/// The flow's starting point x₀, [80, 15000] row-major, standard normal.
pub fn flow_noise() -> Vec<f32> {
    let mut noise = vec![0.0; FLOW_CHANNELS * FLOW_FRAMES];
    seeded().randn(&mut noise);
    noise
}

/// The sizes of everything that draws between the flow's noise and the vocoder's.
#[derive(Clone, Copy, Debug)]
pub struct ConstructionSizes {
    /// Speech tokens in the flow's embedding table.
    pub flow_vocab: usize,
    /// Width of that table.
    pub flow_input: usize,
    /// Width of the speaker embedding before its projection.
    pub speaker: usize,
    /// Width of the speaker embedding after it (the mel channels).
    pub flow_output: usize,
    /// Mel channels into the F0 predictor.
    pub f0_input: usize,
    /// Channels of the F0 predictor.
    pub f0_channels: usize,
    /// Sine waves of the source: the harmonics and the fundamental.
    pub sines: usize,
}

impl ConstructionSizes {
    fn draws(&self) -> u64 {
        let linear = |i: usize, o: usize| i * o + o;
        let conv = |i: usize, o: usize, k: usize| i * o * k + o;
        let flow_noise = FLOW_CHANNELS * FLOW_FRAMES;
        let flow =
            normals(self.flow_vocab * self.flow_input) + linear(self.speaker, self.flow_output);
        let c = self.f0_channels;
        let f0 = conv(self.f0_input, c, 4) + 4 * conv(c, c, 3) + linear(c, 1);
        (flow_noise + flow + f0) as u64
    }
}

/// 32-bit draws of a `normal_` over `n` ≥ 16 elements.
fn normals(n: usize) -> usize {
    if n.is_multiple_of(16) { n } else { n + 16 }
}

/// The vocoder's noise for the first `samples` samples, [samples, sines] row-major, *uniform* in
/// [0, 1) as in the reference.
pub fn vocoder_noise(sizes: &ConstructionSizes, samples: usize) -> Vec<f32> {
    let mut rng = seeded();
    // The random initial phases come first; they have no effect on the sound.
    rng.skip(sizes.draws() + sizes.sines as u64);
    let mut noise = vec![0.0; samples * sizes.sines];
    rng.rand(&mut noise);
    noise
}

fn seeded() -> TorchRng {
    TorchRng::new(0, Multinomial::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_model_consumes_5_052_961_draws_before_the_vocoder() {
        let published = ConstructionSizes {
            flow_vocab: 6561,
            flow_input: 80,
            speaker: 192,
            flow_output: 80,
            f0_input: 80,
            f0_channels: 512,
            sines: 9,
        };
        assert_eq!(published.draws(), 5_052_961);
    }
}
