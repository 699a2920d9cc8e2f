//! torch's softmax over one row of float32, bit for bit.
//!
//! Which token is sampled depends on comparisons of probabilities, so their rounding is
//! reproduced: that of torch 2.3.1 on x86-64 with AVX-512, which adds in 16 lanes and takes its
//! exponential and its logarithm from SLEEF ("u10" variants, Naoki Shibata, Boost licence).

const LANES: usize = 16;

/// `torch.log_softmax(row, -1)`, in place.
pub(super) fn log_softmax(row: &mut [f32]) {
    let max = maximum(row);
    let exponentials: Vec<f32> = row.iter().map(|&x| exp(x - max)).collect();
    let log_sum = log(sum(&exponentials));
    for x in row {
        *x = (*x - max) - log_sum;
    }
}

/// `torch.softmax(row, -1)`.
pub(super) fn softmax(row: &[f32]) -> Vec<f32> {
    let max = maximum(row);
    let mut exponentials: Vec<f32> = row.iter().map(|&x| exp(x - max)).collect();
    let scale = 1.0 / sum(&exponentials);
    for x in &mut exponentials {
        *x *= scale;
    }
    exponentials
}

fn maximum(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// One running sum per lane; the lanes are then added pairwise.
fn sum(row: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for chunk in row.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// e^x for x ≤ 0.
fn exp(x: f32) -> f32 {
    // ln 2 in two parts, so that the reduction keeps every bit.
    const LN2_HIGH: f32 = 0.693_145_75;
    const LN2_LOW: f32 = 1.428_606_8e-6;
    const TAYLOR: [f32; 5] = [
        0.001_393_043_6,
        0.008_333_361,
        0.041_666_485,
        0.166_666_67,
        0.5,
    ];
    if x < -104.0 {
        return 0.0;
    }
    let q = (x * std::f32::consts::LOG2_E).round_ties_even();
    let s = q.mul_add(-LN2_LOW, q.mul_add(-LN2_HIGH, x));
    let u = TAYLOR
        .iter()
        .fold(0.000_198_527_62f32, |u, &c| u.mul_add(s, c));
    let u = 1.0 + (s * s).mul_add(u, s);
    // Through float64, so that a result below the normal range is rounded once.
    (f64::from(u) * f64::powi(2.0, q as i32)) as f32
}

/// ln x for x ≥ 1.
fn log(x: f32) -> f32 {
    let x = f64::from(x);
    let exponent = (x / 0.75).log2().floor();
    let mantissa = x / exponent.exp2();
    // SLEEF carries this quotient, and the sum at the end, in pairs of float32.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let r = ratio as f32;
    let r2 = r * r;
    let t = 0.302_729_5f32
        .mul_add(r2, 0.399_610_82)
        .mul_add(r2, 0.666_669_5);
    let ln2 = f64::from(std::f32::consts::LN_2) + f64::from(-1.904_654_3e-9f32);
    (ln2 * exponent + 2.0 * ratio + f64::from((r2 * r) * t)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    /// Logits that Python and Rust compute to the same bits.
    fn logits() -> Vec<f32> {
        let hash = |i: u32| (i * 7919 + 3 * 104_729) % 2003;
        (0..6761).map(|i| hash(i) as f32 / 512.0).collect()
    }

    #[test]
    fn every_bit_is_torchs() {
        // Printed by torch 2.3.1 on x86-64 with AVX-512.
        let mut row = logits();
        log_softmax(&mut row);
        assert_eq!(
            bits(&row[..4]),
            [0xc0ff_953d, 0xc102_b29e, 0xc105_9a9e, 0xc108_829e]
        );
        assert_eq!(
            bits(&softmax(&row)[..4]),
            [0x39b2_2fa6, 0x3994_96f4, 0x3977_d170, 0x394e_a7e0]
        );
    }

    #[test]
    fn what_is_forbidden_has_no_probability() {
        let probs = softmax(&[0.0, f32::NEG_INFINITY, 0.0, -200.0]);
        assert_eq!(probs, [0.5, 0.0, 0.5, 0.0]);
    }

    #[test]
    fn probabilities_sum_to_one() {
        let sum: f64 = softmax(&logits()).into_iter().map(f64::from).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}
