use std::sync::Mutex;

use crate::noise::{VOCODER_SAMPLES, VocoderNoise};
use crate::vocoder::VocoderConfig;
use crate::weights::Builder;
use crate::{Error, Result};

/// The harmonic source: sine waves at F0 and its overtones, with noise, merged into one wave
/// (reference: `SourceModuleHnNSF` with `SineGen2`).
///
/// It is computed on the CPU whatever the device. The phase runs into hundreds of thousands of
/// radians, where one bit of float32 is audible in a comparison: it must be rounded exactly as the
/// reference rounds it. There is one sine a frame and harmonic, so this costs next to nothing.
pub(super) struct HarmonicSource {
    sampling_rate: f32,
    amplitude: f32,
    voiced_noise: f32,
    voiced_threshold: f32,
    samples_per_frame: usize,
    /// Weight of each sine in the merged wave, and the bias.
    merge: (Vec<f64>, f64),
    noise: Noise,
}

impl HarmonicSource {
    pub(super) fn new(
        config: &VocoderConfig,
        noise: VocoderNoise,
        vb: Builder,
    ) -> candle_core::Result<Self> {
        let sines = config.nb_harmonics + 1;
        if noise.sines != sines {
            candle_core::bail!(
                "the noise was drawn for {} sines, the vocoder has {sines}",
                noise.sines
            );
        }
        let vb = vb.pp("l_linear");
        let weight = vb.get_float64((1, sines), "weight")?.flatten_all()?;
        let weight = weight.to_vec1()?;
        let bias = vb.get_float64(1, "bias")?.squeeze(0)?.to_scalar()?;
        Ok(Self {
            sampling_rate: config.sampling_rate as f32,
            amplitude: config.nsf_alpha as f32,
            voiced_noise: config.nsf_sigma as f32,
            voiced_threshold: config.nsf_voiced_threshold as f32,
            samples_per_frame: config.samples_per_frame(),
            merge: (weight, bias),
            noise: Noise {
                place: noise,
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
    place: VocoderNoise,
    drawn: Mutex<Vec<f32>>,
}

impl Noise {
    /// Lends the noise of the first `samples` samples.
    fn with<T>(&self, samples: usize, use_it: impl FnOnce(&[f32]) -> T) -> T {
        let wanted = samples * self.place.sines;
        let mut drawn = self
            .drawn
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if drawn.len() < wanted {
            let samples = samples.next_power_of_two().min(VOCODER_SAMPLES);
            *drawn = self.place.draw(samples);
        }
        use_it(&drawn[..wanted])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source with the noise of the tiny model that the reference was run with, and weights like
    /// those of the published one, times eight.
    fn source() -> HarmonicSource {
        let weight = [
            0.33509815f32,
            0.00059131,
            0.041_991,
            0.00276883,
            0.03175732,
            0.00221597,
            0.01335267,
            0.00096985,
            0.02022304,
        ];
        // The draws of a model with 64 channels in its F0 predictor.
        let place = VocoderNoise {
            skipped_draws: 1_810_337 + 9,
            sines: 9,
        };
        HarmonicSource {
            sampling_rate: 24_000.0,
            amplitude: 0.1,
            voiced_noise: 0.003,
            voiced_threshold: 10.0,
            samples_per_frame: 480,
            merge: (
                weight.iter().map(|&w| f64::from(w * 8.0)).collect(),
                0.00188588f32.into(),
            ),
            noise: Noise {
                place,
                drawn: Mutex::default(),
            },
        }
    }

    #[test]
    fn the_source_is_the_reference_s() -> Result<()> {
        // `SourceModuleHnNSF` with torch 2.3.1; 9.99 Hz is unvoiced, 10.01 Hz is not.
        let wave = source().forward(&[0.0, 118.3, 231.75, 9.99, 10.01, 3950.5])?;
        assert_eq!(wave.len(), 2880);
        let torch = [
            (0, 0.049_208_283),
            (1, 0.094_590_284),
            (479, 0.086_147_38),
            (480, 0.214_446_19),
            (959, 0.210_315_61),
            (960, 0.008_716_104),
            (1440, 0.025_133_448),
            (1919, 0.048_989_292),
            (1920, 0.173_671_17),
            (2400, 0.168_053_45),
            (2879, 0.166_096_2),
        ];
        for (i, want) in torch {
            let got: f32 = wave[i];
            assert!(
                (got - want).abs() < 1e-7,
                "sample {i}: {got} instead of {want}"
            );
        }
        Ok(())
    }

    #[test]
    fn the_phase_is_rounded_as_in_the_reference_after_many_turns() -> Result<()> {
        let wave = source().forward(&[317.3; 1000])?;
        let got = wave[999 * 480];
        assert!((got - 0.004_334_288).abs() < 1e-7, "{got}");
        Ok(())
    }

    #[test]
    fn noise_drawn_later_continues_what_was_drawn() -> Result<()> {
        let source = source();
        let short = source.forward(&[200.0; 3])?;
        let long = source.forward(&[200.0; 50])?;
        assert_eq!(short, long[..short.len()]);
        Ok(())
    }
}
