//! Spectra of sounds and their distances.

use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::metric::ratio;

/// Channels of [`log_mel`].
pub const MELS: usize = 80;

/// Frames that are transformed at a time.
const BATCH: usize = 256;
/// Longer sounds are resampled in parts of so many seconds, each with a margin on either side.
const PART_SECONDS: usize = 8;
const MARGIN_SECONDS: usize = 1;

/// FFT, window and hop of the three resolutions of Parallel WaveGAN's loss.
const RESOLUTIONS: [(usize, usize, usize); 3] =
    [(512, 240, 50), (1024, 600, 120), (2048, 1200, 240)];

/// Short-time Fourier transform as `torch.stft` defines it: centred, reflected at the ends,
/// periodic Hann window in the middle of the frame.
pub(super) struct Stft {
    fft: Arc<dyn Fft<f64>>,
    window: Vec<f64>,
    hop: usize,
}

impl Stft {
    pub(super) fn new(n_fft: usize, window: usize, hop: usize) -> Self {
        let left = (n_fft - window) / 2;
        let hann = |i: usize| 0.5 - 0.5 * (2.0 * PI * i as f64 / window as f64).cos();
        let padded = |i: usize| {
            if (left..left + window).contains(&i) {
                hann(i - left)
            } else {
                0.0
            }
        };
        Self {
            fft: FftPlanner::new().plan_fft_forward(n_fft),
            window: (0..n_fft).map(padded).collect(),
            hop,
        }
    }

    fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// The number of frames of `n` samples.
    fn frames(&self, n: usize) -> usize {
        if n == 0 { 0 } else { n / self.hop + 1 }
    }

    /// The magnitudes of some frames of a sound that is padded with silence to `n` samples, frame by
    /// frame.
    fn magnitudes(&self, samples: &[f32], n: usize, frames: Range<usize>) -> Vec<f64> {
        let (n_fft, bins) = (self.window.len(), self.bins());
        let mut magnitudes = Vec::with_capacity(frames.len() * bins);
        let mut buffer = vec![Complex::default(); n_fft];
        let mut scratch = vec![Complex::default(); self.fft.get_inplace_scratch_len()];
        for frame in frames {
            let start = (frame * self.hop) as isize - (n_fft / 2) as isize;
            let inside = usize::try_from(start)
                .ok()
                .and_then(|start| samples.get(start..start + n_fft));
            for (i, slot) in buffer.iter_mut().enumerate() {
                let sample = match inside {
                    Some(inside) => inside[i],
                    None => {
                        let at = reflect(start + i as isize, n);
                        samples.get(at).copied().unwrap_or(0.0)
                    }
                };
                *slot = Complex::new(f64::from(sample) * self.window[i], 0.0);
            }
            self.fft.process_with_scratch(&mut buffer, &mut scratch);
            magnitudes.extend(buffer[..bins].iter().map(|x| x.norm()));
        }
        magnitudes
    }

    /// Calls `each` with the magnitudes of every frame of both sounds, the shorter one padded with
    /// silence. No more than a batch of frames is held.
    fn pairs(&self, reference: &[f32], candidate: &[f32], mut each: impl FnMut(&[f64], &[f64])) {
        let n = reference.len().max(candidate.len());
        let frames = self.frames(n);
        for from in (0..frames).step_by(BATCH) {
            let batch = from..frames.min(from + BATCH);
            let (r, c) = rayon::join(
                || self.magnitudes(reference, n, batch.clone()),
                || self.magnitudes(candidate, n, batch.clone()),
            );
            let bins = self.bins();
            for (r, c) in r.chunks_exact(bins).zip(c.chunks_exact(bins)) {
                each(r, c);
            }
        }
    }
}

/// Reflects an index at both ends of `n` samples, as often as needed.
fn reflect(index: isize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let folded = index.rem_euclid(period as isize) as usize;
    folded.min(period - folded)
}

/// Multi-resolution STFT distance of two sounds, the shorter one padded with silence: spectral
/// convergence plus the mean absolute difference of the log magnitudes (natural log), mean of three
/// resolutions.
pub fn multi_resolution(reference: &[f32], candidate: &[f32]) -> f64 {
    // As in the loss's public implementations: power is floored before the root.
    let floored = |x: f64| (x * x).max(1e-8).sqrt();
    let distance = |(n_fft, window, hop)| {
        let (mut error, mut energy, mut logs, mut count) = (0.0, 0.0, 0.0, 0usize);
        Stft::new(n_fft, window, hop).pairs(reference, candidate, |r, c| {
            for (&r, &c) in r.iter().zip(c) {
                let (r, c) = (floored(r), floored(c));
                error += (r - c) * (r - c);
                energy += r * r;
                logs += (r.ln() - c.ln()).abs();
            }
            count += r.len();
        });
        ratio(error, energy).sqrt() + logs / count.max(1) as f64
    };
    RESOLUTIONS.map(distance).iter().sum::<f64>() / RESOLUTIONS.len() as f64
}

/// Log-spectral distance in dB of two sounds, the shorter one padded with silence, mean over the
/// frames.
pub fn log_spectral(reference: &[f32], candidate: &[f32]) -> f64 {
    let stft = Stft::new(1024, 1024, 256);
    let mut peak = 0.0_f64;
    stft.pairs(reference, candidate, |r, c| {
        peak = r.iter().chain(c).copied().fold(peak, f64::max);
    });
    if peak == 0.0 {
        return 0.0;
    }
    let db = |x: f64| 20.0 * (x / peak).max(1e-5).log10();
    let (mut distances, mut frames) = (0.0, 0usize);
    stft.pairs(reference, candidate, |r, c| {
        let sum: f64 = r
            .iter()
            .zip(c)
            .map(|(&r, &c)| (db(r) - db(c)).powi(2))
            .sum();
        distances += (sum / r.len() as f64).sqrt();
        frames += 1;
    });
    distances / frames.max(1) as f64
}

/// Log-mel spectrogram in dB, frames of [`MELS`] channels, 20 ms apart, floored at -100 dB.
pub fn log_mel(samples: &[f32], rate: u32) -> Vec<[f32; MELS]> {
    let hop = (rate as usize / 50).max(1);
    let n_fft = 4 * hop;
    let filters = slaney_filters(rate, n_fft);
    let stft = Stft::new(n_fft, n_fft, hop);
    let channel = |frame: &[f64], filter: &(usize, Vec<f64>)| {
        let energy: f64 = filter
            .1
            .iter()
            .zip(&frame[filter.0..])
            .map(|(w, x)| w * x)
            .sum();
        (20.0 * energy.max(1e-5).log10()) as f32
    };
    let mels = |frame: &[f64]| std::array::from_fn(|m| channel(frame, &filters[m]));
    let frames = stft.frames(samples.len());
    let batches: Vec<_> = (0..frames).step_by(BATCH).collect();
    let batch = |&from: &usize| -> Vec<[f32; MELS]> {
        let batch = from..frames.min(from + BATCH);
        let magnitudes = stft.magnitudes(samples, samples.len(), batch);
        magnitudes.chunks_exact(stft.bins()).map(mels).collect()
    };
    batches.par_iter().flat_map_iter(batch).collect()
}

/// Slaney's mel filters of unit area up to half the rate: the first bin and the weights of each.
fn slaney_filters(rate: u32, n_fft: usize) -> Vec<(usize, Vec<f64>)> {
    const LINEAR_HZ: f64 = 200.0 / 3.0;
    const LOG_FROM_MEL: f64 = 15.0;
    let log_step = 6.4f64.ln() / 27.0;
    let to_hz = |mel: f64| match mel {
        mel if mel < LOG_FROM_MEL => mel * LINEAR_HZ,
        mel => 1000.0 * ((mel - LOG_FROM_MEL) * log_step).exp(),
    };
    let to_mel = |hz: f64| match hz {
        hz if hz < 1000.0 => hz / LINEAR_HZ,
        hz => LOG_FROM_MEL + (hz / 1000.0).ln() / log_step,
    };
    let top = to_mel(f64::from(rate) / 2.0);
    let edge = |i: usize| to_hz(top * i as f64 / (MELS + 1) as f64);
    let bin = f64::from(rate) / n_fft as f64;
    let filter = |m: usize| {
        let (low, centre, high) = (edge(m), edge(m + 1), edge(m + 2));
        let first = (low / bin).ceil() as usize;
        let last = ((high / bin).floor() as usize).min(n_fft / 2);
        let weight = |i: usize| {
            let hz = i as f64 * bin;
            let slope = ((hz - low) / (centre - low)).min((high - hz) / (high - centre));
            slope.max(0.0) * 2.0 / (high - low)
        };
        (first, (first..=last).map(weight).collect())
    };
    (0..MELS).map(filter).collect()
}

/// Changes the sampling rate in the frequency domain, for comparing files of different rates, and
/// hands the result to `each`, part by part.
///
/// A sound of more than ten seconds is converted in parts that overlap: the memory does not grow with
/// its length.
pub fn resample<E>(
    samples: &[f32],
    from: u32,
    to: u32,
    mut each: impl FnMut(&[f32]) -> Result<(), E>,
) -> Result<(), E> {
    if from == to || samples.is_empty() {
        return each(samples);
    }
    let (rate, new_rate) = (from as usize, to as usize);
    if samples.len() <= (PART_SECONDS + 2 * MARGIN_SECONDS) * rate {
        return each(&resample_part(samples, from, to));
    }
    let whole = (samples.len() as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize;
    let margin = MARGIN_SECONDS * rate;
    let mut done = 0;
    for start in (0..samples.len()).step_by(PART_SECONDS * rate) {
        // Silence beyond the ends, so that every part has both margins.
        let at = |i: usize| (start + i).checked_sub(margin).and_then(|i| samples.get(i));
        let length = (PART_SECONDS + 2 * MARGIN_SECONDS) * rate;
        // The transform takes a part for periodic: faded margins join without a step.
        let fade = |i: usize| {
            let edge = i.min(length - 1 - i).min(margin) as f64 / margin as f64;
            (0.5 - 0.5 * (PI * edge).cos()) as f32
        };
        let part: Vec<f32> = (0..length)
            .map(|i| at(i).map_or(0.0, |s| s * fade(i)))
            .collect();
        let part = resample_part(&part, from, to);
        let inside = MARGIN_SECONDS * new_rate;
        let count = (PART_SECONDS * new_rate).min(whole - done);
        each(&part[inside..inside + count])?;
        done += count;
    }
    Ok(())
}

fn resample_part(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let n = samples.len();
    let m = (n as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize;
    let mut planner = FftPlanner::<f64>::new();
    let mut x: Vec<_> = samples
        .iter()
        .map(|&s| Complex::new(f64::from(s), 0.0))
        .collect();
    planner.plan_fft_forward(n).process(&mut x);
    let mut y = vec![Complex::default(); m];
    // The bins below the lower of the two Nyquist frequencies keep their places at both ends.
    let half = n.min(m).div_ceil(2);
    y[..half].copy_from_slice(&x[..half]);
    y[m - (half - 1)..].copy_from_slice(&x[n - (half - 1)..]);
    planner.plan_fft_inverse(m).process(&mut y);
    y.iter().map(|v| (v.re / n as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_fixture::testing::white_noise;

    fn sine(hz: f64, rate: u32, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| (0.5 * (2.0 * PI * hz * i as f64 / f64::from(rate)).sin()) as f32)
            .collect()
    }

    #[test]
    fn a_sine_peaks_in_its_bin() {
        let sound = sine(3000.0, 24_000, 24_000);
        let frame = Stft::new(1024, 1024, 256).magnitudes(&sound, sound.len(), 40..41);
        let peak = (0..frame.len())
            .max_by(|&a, &b| frame[a].total_cmp(&frame[b]))
            .unwrap();
        assert_eq!(peak, 128); // 3000 Hz / (24000 Hz / 1024)
        // Amplitude 0.5 times half the sum of the window, 512.
        assert!((frame[128] - 0.5 * 512.0 / 2.0).abs() < 1e-3);
    }

    #[test]
    fn a_gain_moves_the_log_spectrum_by_itself_and_the_convergence_by_its_share() {
        let r = sine(1000.0, 24_000, 24_000);
        let c: Vec<f32> = r.iter().map(|x| x * 2.0).collect();
        let distance = multi_resolution(&r, &c);
        // Convergence is |2-1| = 1; logs differ by ln 2 wherever they are above the floor.
        assert!(
            distance > 1.0 && distance < 1.0 + 2f64.ln() + 1e-6,
            "{distance}"
        );
        assert_eq!(multi_resolution(&r, &r), 0.0);
    }

    #[test]
    fn a_gain_of_six_db_is_a_log_spectral_distance_of_six_db() {
        // Noise fills every bin, so that none lies at the floor.
        let r = white_noise(24_000, 1);
        let c: Vec<f32> = r.iter().map(|x| x * 2.0).collect();
        assert!((log_spectral(&r, &c) - 6.0206).abs() < 1e-3);
        assert_eq!(log_spectral(&r, &r), 0.0);
    }

    #[test]
    fn a_tone_peaks_in_its_mel_channel() {
        let frames = log_mel(&sine(1000.0, 24_000, 24_000), 24_000);
        assert_eq!(frames.len(), 51);
        let frame = frames[25];
        let peak = (0..MELS)
            .max_by(|&a, &b| frame[a].total_cmp(&frame[b]))
            .unwrap();
        // 12 kHz is 15 + 27 ln(12)/ln(6.4) = 51.14 mel; 1 kHz, at 15 mel, is 23.7 of 81 steps up.
        assert_eq!(peak, 23);
    }

    fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
        let mut all = Vec::new();
        let Ok(()) = resample(samples, from, to, |part| {
            all.extend_from_slice(part);
            Ok::<_, std::convert::Infallible>(())
        });
        all
    }

    #[test]
    fn resampling_keeps_a_tone_that_fits_both_rates() {
        let c = resampled(&sine(1000.0, 48_000, 48_000), 48_000, 24_000);
        let r = sine(1000.0, 24_000, 24_000);
        assert_eq!(c.len(), r.len());
        let worst = r
            .iter()
            .zip(&c)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn a_long_sound_is_resampled_in_parts_that_join() {
        let c = resampled(&sine(1000.0, 16_000, 16_000 * 21 + 7), 16_000, 8_000);
        let r = sine(1000.0, 8_000, c.len());
        assert_eq!(c.len(), 8_000 * 21 + 4);
        // But for the ends, where the sine begins and stops.
        let worst = r[100..c.len() - 100]
            .iter()
            .zip(&c[100..])
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 2e-3, "{worst}");
        for joint in [8, 16].map(|s| s * 8_000) {
            let near = joint - 50..joint + 50;
            assert!(
                near.into_iter().all(|i| (r[i] - c[i]).abs() < 1e-5),
                "{joint}"
            );
        }
    }

    #[test]
    fn silence_and_empty_sounds_have_no_distance_to_themselves() {
        for sound in [&[][..], &[0.0; 3], &[0.0; 5000]] {
            assert_eq!(multi_resolution(sound, sound), 0.0);
            assert_eq!(log_spectral(sound, sound), 0.0);
        }
        assert!(log_mel(&[], 24_000).is_empty());
    }
}
