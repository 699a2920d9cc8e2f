//! Windowed-sinc resampling, as torchaudio's `Resample` does it by default.

/// Zero crossings of the sinc on either side (`lowpass_filter_width`).
const WIDTH: f64 = 6.0;
/// The cut-off as a part of the lower Nyquist frequency.
const ROLLOFF: f64 = 0.99;

/// `samples` at `from` Hz, resampled to `to` Hz with a Hann-windowed sinc of six zero crossings
/// (`torchaudio.transforms.Resample`, defaults).
///
/// The kernel has torchaudio's values: computed in float64 from a phase that was rounded to
/// float32, then stored as float32. Samples come out equal to torch's, bit for bit. The result has
/// ⌈samples · to / from⌉ elements, where torch rounds the quotient to float32 first, so that long
/// recordings can come out one sample shorter. A rate of 0 gives silence of length 0.
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
        let Kernel { first, taps } = Kernel::new(orig, new, phase);
        for (block, out) in resampled[phase..].iter_mut().step_by(new).enumerate() {
            let start = (block * orig) as isize + first;
            let skipped = start.min(0).unsigned_abs();
            let inside = samples.get(start.max(0) as usize..).unwrap_or_default();
            let taps = taps.get(skipped..).unwrap_or_default();
            // One float32 fused multiply-add after the other, in the order of the taps: so
            // torch's convolution sums, to the last bit.
            *out = taps.iter().zip(inside).fold(0.0, |sum, (&k, &x)| k.mul_add(x, sum));
        }
    }
    resampled
}

/// The filter of one output phase, without the taps that are zero.
struct Kernel {
    /// Input sample that the first tap multiplies, relative to the block's first.
    first: isize,
    taps: Vec<f32>,
}

impl Kernel {
    fn new(orig: usize, new: usize, phase: usize) -> Self {
        let cutoff = orig.min(new) as f64 * ROLLOFF;
        // torch divides two integers into float32, whatever it adds them to afterwards.
        let shift = f64::from(-(phase as f32) / new as f32);
        let time = |index: isize| (shift + index as f64 / orig as f64) * cutoff;
        // Where |time| reaches WIDTH, the window is zero.
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
