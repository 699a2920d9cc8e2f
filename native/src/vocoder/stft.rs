//! The short Fourier transforms at both ends of the vocoder, as matrix products: with 16 samples a
//! frame that is as quick as a fast transform, and runs on any device. Where the device has float64,
//! it is used, because a plain sum rounds more often than a fast transform.

use candle_core::{DType, Device, Result, Tensor};

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
    pub(super) fn new(config: &IstftConfig, dtype: DType, device: &Device) -> Result<Self> {
        let exact = if device.is_metal() {
            DType::F32
        } else {
            DType::F64
        };
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
            analysis: Conv1d::new(matrix(analysis)?.unsqueeze(1)?, no_bias)?.with_stride(hop),
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

    /// [samples] to a spectrum of samples / hop + 1 frames.
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
