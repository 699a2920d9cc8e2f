use std::sync::Mutex;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use crate::noise::{ConstructionSizes, VOCODER_SAMPLES, vocoder_noise};
use crate::vocoder::VocoderConfig;
use crate::{Error, Result};

/// The harmonic source: sine waves at F0 and its overtones, with noise, merged into one wave
/// (reference: `SourceModuleHnNSF` with `SineGen2`).
///
/// It is computed on the CPU whatever the device. The phase runs into hundreds of thousands of
/// radians, where one bit of float32 is audible in a comparison: it must be rounded exactly as the
/// reference rounds it. There is one sine a frame and harmonic, so this costs next to nothing.
pub(super) struct Source {
    sampling_rate: f32,
    amplitude: f32,
    voiced_noise: f32,
    voiced_threshold: f32,
    samples_per_frame: usize,
    /// Weight of each sine in the merged wave, and the bias.
    merge: (Vec<f64>, f64),
    noise: Noise,
}

impl Source {
    pub(super) fn new(
        config: &VocoderConfig,
        sizes: &ConstructionSizes,
        vb: VarBuilder<'_>,
    ) -> candle_core::Result<Self> {
        let sines = config.nb_harmonics + 1;
        if sizes.sines != sines {
            candle_core::bail!(
                "the noise was drawn for {} sines, the vocoder has {sines}",
                sizes.sines
            );
        }
        let vb = vb
            .pp("l_linear")
            .set_dtype(DType::F64)
            .set_device(Device::Cpu);
        let weight = vb.get((1, sines), "weight")?.flatten_all()?.to_vec1()?;
        let bias = vb.get(1, "bias")?.squeeze(0)?.to_scalar()?;
        Ok(Self {
            sampling_rate: config.sampling_rate as f32,
            amplitude: config.nsf_alpha as f32,
            voiced_noise: config.nsf_sigma as f32,
            voiced_threshold: config.nsf_voiced_threshold as f32,
            samples_per_frame: config.samples_per_frame(),
            merge: (weight, bias),
            noise: Noise {
                sizes: *sizes,
                drawn: Mutex::default(),
            },
        })
    }

    /// F0 of each frame in Hz to the wave, `samples_per_frame` samples a frame.
    pub(super) fn forward(&self, f0: &[f32]) -> Result<Vec<f32>> {
        let samples = f0.len() * self.samples_per_frame;
        if samples > VOCODER_SAMPLES {
            return Err(Error::input(format!(
                "{} mel frames are {samples} samples, more than the {VOCODER_SAMPLES} the vocoder \
                 has noise for: use a shorter text",
                f0.len()
            )));
        }
        let (weights, bias) = &self.merge;
        let sines = weights.len();
        let mut turns = vec![0f64; sines];
        let mut harmonics = vec![0f32; sines];
        let mut wave = Vec::with_capacity(samples);
        self.noise.with(samples, |noise| {
            let frames = noise.chunks_exact(self.samples_per_frame * sines);
            for (&f0, noise) in f0.iter().zip(frames) {
                let voiced = f0 > self.voiced_threshold;
                for (i, (turns, sine)) in turns.iter_mut().zip(&mut harmonics).enumerate() {
                    let sine_now = self.sine(f0 * (i + 1) as f32, turns) * self.amplitude;
                    *sine = if voiced { sine_now } else { 0.0 };
                }
                let level = if voiced {
                    self.voiced_noise
                } else {
                    self.amplitude / 3.0
                };
                wave.extend(noise.chunks_exact(sines).map(|noise| {
                    let merged = harmonics.iter().zip(noise).zip(weights).fold(
                        *bias,
                        |sum, ((&sine, &noise), weight)| {
                            sum + f64::from(sine + level * noise) * weight
                        },
                    );
                    (merged as f32).tanh()
                }));
            }
        });
        Ok(wave)
    }

    /// Adds one frame of `frequency` Hz to the `turns` made so far and gives the sine of the phase
    /// reached. torch accumulates float32 in float64 and rounds each sum.
    fn sine(&self, frequency: f32, turns: &mut f64) -> f32 {
        *turns += f64::from(frequency / self.sampling_rate % 1.0);
        let phase = *turns as f32 * 2.0 * std::f32::consts::PI * self.samples_per_frame as f32;
        f64::from(phase).sin() as f32
    }
}

/// The vocoder's fixed noise, drawn as far as it was needed: all of it is 260 MB.
struct Noise {
    sizes: ConstructionSizes,
    drawn: Mutex<Vec<f32>>,
}

impl Noise {
    /// Lends the noise of the first `samples` samples.
    fn with<T>(&self, samples: usize, use_it: impl FnOnce(&[f32]) -> T) -> T {
        let wanted = samples * self.sizes.sines;
        let mut drawn = self
            .drawn
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if drawn.len() < wanted {
            let samples = samples.next_power_of_two().min(VOCODER_SAMPLES);
            *drawn = vocoder_noise(&self.sizes, samples);
        }
        use_it(&drawn[..wanted])
    }
}
