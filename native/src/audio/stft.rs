//! Building blocks of short-time spectra: reflection, windows and the Fourier transform.

use std::sync::Arc;

use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

/// A Fourier transform of windowed frames, in float64: the error stays well below the reference's
/// float32 noise, and the time does not matter beside that of the networks.
pub struct FrameTransform {
    fft: Arc<dyn Fft<f64>>,
    frame: Vec<Complex64>,
    scratch: Vec<Complex64>,
}

impl FrameTransform {
    pub fn new(n_fft: usize) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(n_fft);
        let zero = Complex64::default();
        Self {
            frame: vec![zero; n_fft],
            scratch: vec![zero; fft.get_inplace_scratch_len()],
            fft,
        }
    }

    /// The spectrum of `frame`, zero-padded at the end: bins 0 to n_fft / 2.
    pub fn spectrum(&mut self, frame: impl Iterator<Item = f64>) -> &[Complex64] {
        self.frame.fill(Complex64::default());
        for (slot, sample) in self.frame.iter_mut().zip(frame) {
            slot.re = sample;
        }
        self.fft
            .process_with_scratch(&mut self.frame, &mut self.scratch);
        &self.frame[..=self.frame.len() / 2]
    }
}

/// `samples` with `pad` mirrored samples on either side, without repeating the edge (torch's
/// padding mode `reflect`). `None` unless there are more than `pad` samples.
pub fn reflect(samples: &[f32], pad: usize) -> Option<Vec<f32>> {
    let last = samples.len().checked_sub(1).filter(|&last| last >= pad)?;
    let left = samples[..=pad].iter().skip(1).rev();
    let right = samples[last - pad..last].iter().rev();
    Some(left.chain(samples).chain(right).copied().collect())
}

/// The periodic Hann window of `n` samples, in the float32 steps of `torch.hann_window`.
pub fn hann(n: usize) -> Vec<f32> {
    hann_over(n, n)
}

/// The symmetric Hann window of `n` samples, in the same steps.
pub fn symmetric_hann(n: usize) -> Vec<f32> {
    hann_over(n, n.saturating_sub(1))
}

fn hann_over(n: usize, period: usize) -> Vec<f32> {
    let step = (std::f64::consts::TAU / period as f64) as f32;
    (0..n)
        .map(|i| f64::from(i as f32 * step).cos() as f32 * -0.5 + 0.5)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_mirrors_without_repeating_the_edge() {
        let padded = reflect(&[1.0, 2.0, 3.0, 4.0], 3);
        assert_eq!(
            padded,
            Some(vec![4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0])
        );
        assert_eq!(reflect(&[1.0, 2.0], 0), Some(vec![1.0, 2.0]));
    }

    #[test]
    fn reflection_needs_more_samples_than_it_adds() {
        assert_eq!(reflect(&[1.0, 2.0, 3.0], 3), None);
        assert_eq!(reflect(&[], 0), None);
    }

    #[test]
    fn windows_match_torch() {
        // torch 2.3.1, hann_window(1920) and hann_window(400, periodic=False).
        let periodic = hann(1920);
        assert_eq!(
            (periodic[0], periodic[1], periodic[640]),
            (0.0, 2.682_209e-6, 0.75)
        );
        assert_eq!((periodic[960], periodic[1919]), (1.0, 2.682_209e-6));
        let symmetric = symmetric_hann(400);
        assert_eq!((symmetric[0], symmetric[1]), (0.0, 6.198_883e-5));
        assert_eq!((symmetric[200], symmetric[399]), (0.999_984_5, 0.0));
    }

    #[test]
    fn the_spectrum_of_a_shifted_impulse_has_a_linear_phase() {
        let mut transform = FrameTransform::new(8);
        // An earlier, longer frame must leave nothing behind.
        transform.spectrum([9.0; 8].into_iter());
        let spectrum = transform.spectrum([0.0, 1.0].into_iter());
        assert_eq!(spectrum.len(), 5);
        for (bin, z) in spectrum.iter().enumerate() {
            let expected = Complex64::cis(-std::f64::consts::TAU * bin as f64 / 8.0);
            assert!((z - expected).norm() < 1e-15, "bin {bin}: {z}");
        }
    }
}
