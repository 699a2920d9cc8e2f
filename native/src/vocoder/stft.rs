//! The short Fourier transforms at both ends of the vocoder, as matrix products: with 16 samples a
//! frame that is as quick as a fast transform, and runs on any device. Where the device has float64,
//! it is used, because a plain sum rounds more often than a fast transform.

use candle_core::{DType, Device, Result, Tensor};

use crate::kernels::Kernels;
use crate::ops::Conv1d;
use crate::vocoder::IstftConfig;

/// Centred, with reflected ends and a periodic Hann window, one-sided (as `torch.stft` and
/// `torch.istft`). A spectrum is [1, 2 × bins, frames], real parts before imaginary ones.
pub(super) struct Stft {
    n_fft: usize,
    hop: usize,
    analysis: Conv1d,
    /// [2 × bins, n_fft]: the inverse transform, windowed.
    synthesis: Tensor,
    window: Vec<f64>,
    /// What the transforms are computed in.
    exact: DType,
    dtype: DType,
    device: Device,
}

impl Stft {
    /// For spectra of `dtype` on `device`.
    pub(super) fn new(
        config: &IstftConfig,
        dtype: DType,
        device: &Device,
        kernels: Kernels,
    ) -> Result<Self> {
        let exact = if device.is_metal() {
            DType::F32
        } else {
            DType::F64
        };
        Self::computed_in(exact, config, dtype, device, kernels)
    }

    /// Like [`Self::new`], in the dtype `exact`.
    fn computed_in(
        exact: DType,
        config: &IstftConfig,
        dtype: DType,
        device: &Device,
        kernels: Kernels,
    ) -> Result<Self> {
        let &IstftConfig {
            n_fft,
            hop_len: hop,
        } = config;
        if hop == 0 || !n_fft.is_multiple_of(2 * hop) {
            candle_core::bail!("an STFT of {n_fft} samples with a hop of {hop} is not supported");
        }
        let bins = n_fft / 2 + 1;
        let turn = |i: usize| std::f64::consts::TAU * (i % n_fft) as f64 / n_fft as f64;
        // The reference rounds its window to float32 before it multiplies.
        let window: Vec<f64> = (0..n_fft)
            .map(|i| f64::from((0.5 - 0.5 * turn(i).cos()) as f32))
            .collect();
        let cosine = |k: usize, i: usize| turn(k * i).cos();
        // The sines of whole and half turns are zero, not what rounding makes of them.
        let sine = |k: usize, i: usize| {
            if (2 * k * i).is_multiple_of(n_fft) {
                0.0
            } else {
                turn(k * i).sin()
            }
        };
        let each = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..bins)
                .flat_map(|k| (0..n_fft).map(move |i| (k, i)))
                .map(|(k, i)| f(k, i))
                .collect()
        };
        let share = |k: usize| if k == 0 || 2 * k == n_fft { 1.0 } else { 2.0 } / n_fft as f64;
        let analysis = [
            each(&|k, i| window[i] * cosine(k, i)),
            each(&|k, i| -window[i] * sine(k, i)),
        ];
        let synthesis = [
            each(&|k, i| window[i] * share(k) * cosine(k, i)),
            each(&|k, i| -window[i] * share(k) * sine(k, i)),
        ];
        let matrix = |parts: [Vec<f64>; 2]| {
            Tensor::from_vec(parts.concat(), (2 * bins, n_fft), &Device::Cpu)?
                .to_dtype(exact)?
                .to_device(device)
        };
        let no_bias = Tensor::zeros(2 * bins, exact, device)?;
        Ok(Self {
            n_fft,
            hop,
            analysis: Conv1d::new(matrix(analysis)?.unsqueeze(1)?, no_bias, kernels)?
                .with_stride(hop),
            synthesis: matrix(synthesis)?,
            window,
            exact,
            dtype,
            device: device.clone(),
        })
    }

    pub(super) fn bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// `[samples]` to a spectrum of samples / hop + 1 frames.
    pub(super) fn forward(&self, wave: &Tensor) -> Result<Tensor> {
        let samples = wave.dim(0)?;
        let half = self.n_fft / 2;
        if samples <= half {
            candle_core::bail!(
                "{samples} samples are too few for an STFT of {}",
                self.n_fft
            );
        }
        let wave = wave.to_dtype(self.exact)?;
        let before = wave.narrow(0, 1, half)?.flip(&[0])?;
        let after = wave.narrow(0, samples - 1 - half, half)?.flip(&[0])?;
        let padded = Tensor::cat(&[&before, &wave, &after], 0)?.reshape((1, 1, ()))?;
        self.analysis.forward(&padded, 0, 0)?.to_dtype(self.dtype)
    }

    /// A spectrum to [(frames − 1) × hop] samples.
    pub(super) fn inverse(&self, spectrum: &Tensor) -> Result<Tensor> {
        let frames = spectrum.dim(2)?;
        let overlap = self.n_fft / self.hop;
        let segments = spectrum
            .to_dtype(self.exact)?
            .squeeze(0)?
            .t()?
            .contiguous()?
            .matmul(&self.synthesis)?;
        let segments = segments.reshape((frames, overlap, self.hop))?;
        let mut sum: Option<Tensor> = None;
        for i in (0..overlap).rev() {
            let shifted = segments.narrow(1, i, 1)?.squeeze(1)?;
            let shifted = shifted.pad_with_zeros(0, i, overlap - 1 - i)?;
            sum = Some(match sum {
                None => shifted,
                Some(sum) => (sum + shifted)?,
            });
        }
        let Some(sum) = sum else {
            candle_core::bail!("no overlapping frames")
        };
        let trimmed = sum.narrow(0, overlap / 2, frames - 1)?.flatten_all()?;
        (trimmed / self.envelope(frames)?)?.to_dtype(self.dtype)
    }

    /// What the squared windows of all frames add up to at each sample.
    fn envelope(&self, frames: usize) -> Result<Tensor> {
        let samples = (frames - 1) * self.hop;
        let envelope: Vec<f64> = (0..samples)
            .map(|i| {
                let position = i + self.n_fft / 2;
                let last = (position / self.hop).min(frames - 1);
                let first = (position + 1).saturating_sub(self.n_fft).div_ceil(self.hop);
                let sum = (first..=last).map(|f| self.window[position - f * self.hop].powi(2));
                sum.sum::<f64>()
            })
            .collect();
        Tensor::from_vec(envelope, samples, &Device::Cpu)?
            .to_dtype(self.exact)?
            .to_device(&self.device)
    }
}

#[cfg(test)]
mod tests {
    //! Expected values were printed by torch 2.3.1 (`torch.stft`, `torch.istft`, Hann window).
    use super::*;

    const CONFIG: IstftConfig = IstftConfig {
        n_fft: 16,
        hop_len: 4,
    };

    fn stft() -> Result<Stft> {
        Stft::new(&CONFIG, DType::F32, &Device::Cpu, Kernels::Own)
    }

    #[test]
    fn a_device_without_float64_transforms_almost_as_exactly() -> Result<()> {
        let (dtype, device) = (DType::F32, &Device::Cpu);
        let single = Stft::computed_in(dtype, &CONFIG, dtype, device, Kernels::Composed)?;
        let wave: Vec<f32> = (0..400).map(|i| (i as f32 * 0.37).sin()).collect();
        let wave = Tensor::new(wave, device)?;
        let apart = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f32>();
        let spectrum = single.forward(&wave)?;
        assert!(apart(&spectrum, &stft()?.forward(&wave)?)? < 2e-6);
        assert!(apart(&single.inverse(&spectrum)?, &wave)? < 2e-6);
        Ok(())
    }

    fn close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        assert!(
            got.iter().zip(want).all(|(a, b)| (a - b).abs() < 5e-7),
            "{got:?} is not {want:?}"
        );
    }

    #[test]
    fn the_transform_agrees_with_torch() -> Result<()> {
        let wave: Vec<f32> = (0..40)
            .map(|i| (i as f32 * 0.37).sin() + 0.25 * (i as f32 * 1.9).cos())
            .collect();
        let spectrum = stft()?.forward(&Tensor::new(wave, &Device::Cpu)?)?;
        assert_eq!(spectrum.dims(), [1, 18, 11]);
        let rows: Vec<Vec<f32>> = spectrum.squeeze(0)?.to_vec2()?;
        close(
            &rows[3][..4],
            &[0.958_543_54, -0.298_223_6, 0.036_460_16, -0.005_025_506],
        );
        close(
            &rows[12][..4],
            &[0.0, -0.154_890_42, 0.020_583_063, 0.035_890_22],
        );
        close(
            &[rows[0][0], rows[0][5], rows[0][10]],
            &[4.945_091_2, 3.904_869_3, 5.145_260_3],
        );
        close(&[rows[8][0], rows[8][5]], &[-0.176_427_13, 0.010_914_087]);
        assert!(rows[9].iter().chain(&rows[17]).all(|&v| v == 0.0));
        Ok(())
    }

    #[test]
    fn the_inverse_agrees_with_torch_on_a_spectrum_that_no_wave_has() -> Result<()> {
        let grid = |f: fn(f32, f32) -> f32| {
            (0..9).flat_map(move |k| (0..5).map(move |t| f(k as f32, t as f32)))
        };
        let real = grid(|k, t| (0.7 * k + 1.3 * t).cos());
        let imaginary = grid(|k, t| (1.1 * k - 0.4 * t).sin());
        let spectrum: Vec<f32> = real.chain(imaginary).collect();
        let wave = stft()?.inverse(&Tensor::from_vec(spectrum, (1, 18, 5), &Device::Cpu)?)?;
        close(
            &wave.to_vec1::<f32>()?,
            &[
                0.088_195_145,
                -0.002_146_05,
                -0.028_304_337,
                0.012_810_819,
                0.060_996_25,
                0.132_918_02,
                -0.011_711_36,
                0.039_725_736,
                0.019_667_348,
                0.134_899_81,
                0.011_543_034,
                0.003_715_996,
                -0.011_094_65,
                0.042_324,
                -0.010_382_91,
                -0.050_310_664,
            ],
        );
        Ok(())
    }

    #[test]
    fn transforming_back_gives_the_wave() -> Result<()> {
        let wave = Tensor::randn(0f32, 1.0, 4 * 23, &Device::Cpu)?;
        let back = stft()?.inverse(&stft()?.forward(&wave)?)?;
        assert_eq!(back.dims(), wave.dims());
        assert!((back - wave)?.abs()?.max_all()?.to_scalar::<f32>()? < 2e-6);
        Ok(())
    }

    #[test]
    fn what_cannot_be_transformed_is_refused() -> Result<()> {
        assert!(
            stft()?
                .forward(&Tensor::zeros(8, DType::F32, &Device::Cpu)?)
                .is_err()
        );
        for (n_fft, hop_len) in [(16, 0), (16, 3), (0, 0), (8, 8)] {
            let config = IstftConfig { n_fft, hop_len };
            assert!(
                Stft::new(&config, DType::F32, &Device::Cpu, Kernels::Own).is_err(),
                "{n_fft}, {hop_len}"
            );
        }
        Ok(())
    }
}
