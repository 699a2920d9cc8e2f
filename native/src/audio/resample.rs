//! Windowed-sinc resampling with the defaults of torchaudio's `Resample`.

/// Zero crossings of the sinc on either side (`lowpass_filter_width`).
const WIDTH: f64 = 6.0;
/// Cut-off relative to the lower of the two Nyquist frequencies.
const ROLLOFF: f64 = 0.99;

/// `samples` at `from` Hz, resampled to `to` Hz with a Hann-windowed sinc of six zero crossings
/// (`torchaudio.transforms.Resample`, defaults).
///
/// The kernel has torchaudio's values: computed in float64 from a phase rounded to float32, then
/// stored as float32. For more than 20,480 samples the result equals torch's bit for bit; for fewer,
/// torch sums in another order and the last bits differ. The result has ⌈samples · to / from⌉
/// elements, with the quotient rounded to float32 first as in torch, so a long recording can be one
/// sample shorter. If a rate is 0, the result is empty.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return samples.to_vec();
    }
    if from == 0 || to == 0 {
        return Vec::new();
    }
    let divisor = gcd(from, to);
    let (orig, new) = ((from / divisor) as usize, (to / divisor) as usize);
    let length = (new as f64 * samples.len() as f64 / orig as f64) as f32;
    let length = (length.ceil() as usize).min((samples.len() / orig + 1) * new);

    let mut resampled = vec![0.0; length];
    for phase in 0..new.min(length) {
        let kernel = Kernel::new(orig, new, phase);
        for (block, out) in resampled[phase..].iter_mut().step_by(new).enumerate() {
            *out = kernel.at(samples, (block * orig) as isize);
        }
    }
    resampled
}

/// [`resample`] for samples that arrive in pieces. It gives the same samples, however they are cut,
/// up to the length, which is exactly ⌈samples · to / from⌉.
pub struct Resampler {
    orig: usize,
    new: usize,
    /// One for each phase of the output.
    kernels: Vec<Kernel>,
    /// The input from sample `dropped` on.
    input: Vec<f32>,
    dropped: usize,
    /// Samples given.
    given: usize,
}

impl Resampler {
    /// A resampler from one rate to another, in Hz. If a rate is 0, it gives no samples.
    pub fn new(from: u32, to: u32) -> Self {
        let divisor = gcd(from, to).max(1);
        let (orig, new) = ((from / divisor) as usize, (to / divisor) as usize);
        let phases = if orig == 0 || orig == new { 0 } else { new };
        Self {
            orig,
            new,
            kernels: (0..phases).map(|p| Kernel::new(orig, new, p)).collect(),
            input: Vec::new(),
            dropped: 0,
            given: 0,
        }
    }

    /// The samples that depend on none that are yet to come.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        if self.orig == self.new {
            return samples.to_vec();
        }
        self.input.extend_from_slice(samples);
        let mut out = Vec::new();
        while let Some((kernel, block)) = self.next() {
            let end = block + kernel.first + kernel.taps.len() as isize;
            if end > (self.dropped + self.input.len()) as isize {
                break;
            }
            out.push(kernel.at(&self.input, block - self.dropped as isize));
            self.given += 1;
        }
        if let Some((kernel, block)) = self.next() {
            // Within a block, later phases begin at the same sample or after it.
            let unused = (block + kernel.first).max(0) as usize;
            self.input.drain(..unused.saturating_sub(self.dropped));
            self.dropped = self.dropped.max(unused);
        }
        out
    }

    /// The rest: after the last sample comes silence.
    pub fn finish(&mut self) -> Vec<f32> {
        let samples = self.dropped + self.input.len();
        let length = (samples * self.new).div_ceil(self.orig.max(1));
        let mut out = Vec::new();
        while let Some((kernel, block)) = self.next().filter(|_| self.given < length) {
            out.push(kernel.at(&self.input, block - self.dropped as isize));
            self.given += 1;
        }
        out
    }

    /// The kernel of the next sample, and the first sample of its block.
    fn next(&self) -> Option<(&Kernel, isize)> {
        let kernel = self.kernels.get(self.given.checked_rem(self.new)?)?;
        Some((kernel, (self.given / self.new * self.orig) as isize))
    }
}

/// The filter of one output phase, without the taps that are zero.
struct Kernel {
    /// The input sample of the first tap, relative to the block's first sample.
    first: isize,
    taps: Vec<f32>,
}

impl Kernel {
    fn new(orig: usize, new: usize, phase: usize) -> Self {
        let cutoff = orig.min(new) as f64 * ROLLOFF;
        // torch's quotient of two integers is float32, even if a float64 is added afterwards.
        let shift = f64::from(-(phase as f32) / new as f32);
        let time = |index: isize| (shift + index as f64 / orig as f64) * cutoff;
        // The window is zero from |time| = WIDTH on.
        let reach = WIDTH * orig as f64 / cutoff;
        let centre = -shift * orig as f64;
        let (first, last) = (
            (centre - reach).floor() as isize,
            (centre + reach).ceil() as isize,
        );
        let scale = cutoff / orig as f64;
        let taps = (first..=last)
            .map(|index| tap(time(index), scale))
            .collect();
        Self { first, taps }
    }

    /// The output of the block that begins at sample `block`; before the first sample and after the
    /// last there is silence.
    fn at(&self, samples: &[f32], block: isize) -> f32 {
        let start = block + self.first;
        let skipped = start.min(0).unsigned_abs();
        let inside = samples.get(start.max(0) as usize..).unwrap_or_default();
        let taps = self.taps.get(skipped..).unwrap_or_default();
        // torch's convolution sums like this, bit for bit: float32 fused multiply-adds in the order
        // of the taps.
        taps.iter()
            .zip(inside)
            .fold(0.0, |sum, (&k, &x)| k.mul_add(x, sum))
    }
}

fn tap(time: f64, scale: f64) -> f32 {
    use std::f64::consts::PI;
    let time = time.clamp(-WIDTH, WIDTH);
    let window = (time * PI / WIDTH / 2.0).cos().powi(2);
    let angle = time * PI;
    let sinc = if angle == 0.0 {
        1.0
    } else {
        angle.sin() / angle
    };
    (sinc * (window * scale)) as f32
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_signals::{noise, sine};

    #[test]
    fn samples_match_torchaudio_bit_for_bit() {
        // torchaudio 2.3.1, Resample(from, to) of 24,000 samples of the test noise.
        let places = [0, 17, 1000, 4001];
        let cases: [(u32, u32, [f32; 4], usize, f32); 4] = [
            (
                22_050,
                24_000,
                [-0.520_126_94, 1.214_841_4, 0.135_006_01, 0.804_565_13],
                26_122,
                -0.135_123_71,
            ),
            (
                44_100,
                16_000,
                [-0.194_478_48, -0.082_961_95, -0.043_446_686, -0.125_595_58],
                8707,
                0.020_652_404,
            ),
            (
                48_000,
                24_000,
                [-0.384_898_8, 0.211_424_23, -0.020_769_36, 0.201_677_34],
                11_999,
                0.083_335_675,
            ),
            (
                16_000,
                24_000,
                [-0.520_126_94, -0.059_403_1, -0.186_112_46, -0.371_105_13],
                35_999,
                -0.219_368_12,
            ),
        ];
        for (from, to, expected, last, last_expected) in cases {
            let resampled = resample(&noise(24_000), from, to);
            assert_eq!(
                places.map(|at| resampled[at]),
                expected,
                "{from} to {to} Hz"
            );
            assert_eq!(resampled.len(), last + 1, "{from} to {to} Hz");
            assert_eq!(resampled[last], last_expected, "{from} to {to} Hz");
        }
    }

    #[test]
    fn the_length_is_rounded_in_float32_as_in_torch() {
        // 90,569 · 320 / 441 is slightly more than 65,719, but equal to it in float32.
        assert_eq!(resample(&vec![0.0; 90_569], 22_050, 16_000).len(), 65_719);
        assert_eq!(resample(&vec![0.0; 180_697], 44_100, 16_000).len(), 65_559);
        assert_eq!(resample(&vec![0.0; 442], 22_050, 16_000).len(), 321);
    }

    #[test]
    fn a_sine_in_the_pass_band_stays_the_same_sine() {
        let resampled = resample(&sine(4410, 1000.0, 44_100), 44_100, 24_000);
        let expected = sine(2400, 1000.0, 24_000);
        assert_eq!(resampled.len(), expected.len());
        for (at, (a, b)) in resampled
            .iter()
            .zip(&expected)
            .enumerate()
            .take(2300)
            .skip(100)
        {
            assert!((a - b).abs() < 2e-3, "sample {at}: {a} against {b}");
        }
    }

    #[test]
    fn a_sine_above_the_new_nyquist_frequency_is_removed() {
        let resampled = resample(&sine(4800, 11_000.0, 48_000), 48_000, 16_000);
        let loudest = resampled[100..1500]
            .iter()
            .fold(0.0_f32, |m, x| m.max(x.abs()));
        assert!(loudest < 5e-3, "{loudest}");
    }

    #[test]
    fn no_samples_or_a_rate_of_zero_give_no_samples() {
        assert!(resample(&[], 44_100, 16_000).is_empty());
        assert!(resample(&[1.0], 0, 16_000).is_empty());
        assert!(resample(&[1.0], 16_000, 0).is_empty());
    }

    #[test]
    fn pieces_give_the_same_samples_as_the_whole() {
        let samples = noise(5000);
        for to in [8000, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let whole = resample(&samples, 24_000, to);
            for cut in [1, 7, 480, 4999] {
                let mut resampler = Resampler::new(24_000, to);
                let mut pieces: Vec<_> = samples
                    .chunks(cut)
                    .flat_map(|c| resampler.push(c))
                    .collect();
                let held = whole.len() - pieces.len();
                assert!(held < 60, "{held} samples wait for more");
                pieces.extend(resampler.finish());
                assert!(pieces == whole, "to {to} Hz in pieces of {cut}");
            }
        }
        assert!(Resampler::new(24_000, 8000).finish().is_empty());
        assert!(Resampler::new(24_000, 0).push(&samples).is_empty());
        assert!(Resampler::new(0, 8000).push(&samples).is_empty());
    }

    #[test]
    fn rates_without_a_common_divisor_take_little_memory() {
        // torchaudio would build 16,000 filters of 44,137 taps here, 2.8 GB.
        assert_eq!(resample(&noise(300), 44_101, 16_000).len(), 109);
    }
}
