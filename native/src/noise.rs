//! The noise that the reference's constructors draw and no checkpoint contains.
//!
//! Building the flow seeds torch with 0 and keeps 80 × 15,000 normals. The modules built after it
//! continue the same stream: their initial weights, which the checkpoint overwrites, and then the
//! vocoder's own noise. Where that begins follows from the sizes of the modules alone, in the order
//! in which a [family](crate::family::Family)'s constructors run.
//! (Reference: `CausalConditionalCFM.__init__`, `SineGen2.__init__`.)

use crate::torch_rng::{Multinomial, TorchRng};

/// Mel channels of the flow's noise.
pub const FLOW_CHANNELS: usize = 80;
/// Frames of the flow's noise, which limit a synthesis to 300 s, prompt included.
pub const FLOW_FRAMES: usize = 15_000;
/// Samples of the vocoder's noise: 300 s at 24 kHz.
pub const VOCODER_SAMPLES: usize = 300 * 24_000;

/// The flow's starting point x₀, [80, 15000] row-major, standard normal.
pub fn flow_noise() -> Vec<f32> {
    let mut noise = vec![0.0; FLOW_CHANNELS * FLOW_FRAMES];
    seeded().randn(&mut noise);
    noise
}

/// Where in torch's stream the vocoder's noise begins, and how wide it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VocoderNoise {
    /// 32-bit draws before it, counted from the seed.
    pub skipped_draws: u64,
    /// Sine waves of the source: the fundamental and its harmonics.
    pub sines: usize,
}

impl VocoderNoise {
    /// The noise of the first `samples` samples, [samples, sines] row-major, *uniform* in [0, 1) as
    /// in the reference.
    pub fn draw(&self, samples: usize) -> Vec<f32> {
        let mut rng = seeded();
        rng.skip(self.skipped_draws);
        let mut noise = vec![0.0; samples * self.sines];
        rng.rand(&mut noise);
        noise
    }
}

/// 32-bit draws of the flow's noise.
pub(crate) fn flow_noise_draws() -> usize {
    FLOW_CHANNELS * FLOW_FRAMES
}

/// 32-bit draws that initialise a linear layer with bias.
pub(crate) fn linear_draws(inputs: usize, outputs: usize) -> usize {
    inputs * outputs + outputs
}

/// 32-bit draws that initialise a one-dimensional convolution with bias.
pub(crate) fn conv_draws(inputs: usize, outputs: usize, kernel: usize) -> usize {
    inputs * outputs * kernel + outputs
}

/// 32-bit draws that initialise an embedding.
pub(crate) fn embedding_draws(rows: usize, width: usize) -> usize {
    normal_draws(rows * width)
}

/// 32-bit draws of `n` normals, at least 16: torch draws the last 16 again where `n` is no multiple
/// of 16.
pub(crate) fn normal_draws(n: usize) -> usize {
    if n.is_multiple_of(16) { n } else { n + 16 }
}

/// torch's generator when `draws` numbers have been drawn since the flow's constructor seeded it.
pub(crate) fn generator_after(draws: u64, multinomial: Multinomial) -> TorchRng {
    let mut rng = TorchRng::new(0, multinomial);
    rng.skip(draws);
    rng
}

fn seeded() -> TorchRng {
    TorchRng::new(0, Multinomial::default())
}
