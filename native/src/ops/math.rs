//! Elementary functions in float32, branch-free so that the compiler vectorises them.

/// Adding and then subtracting this rounds a small float32 to the nearest integer; the low bits of
/// the sum are those of the integer.
const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³

/// eˣ to about one unit in the last place. Results below the smallest normal number become it.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const SMALLEST: f32 = -87.336_54;
    const LARGEST: f32 = 88.376_26;
    let x = x.clamp(SMALLEST, LARGEST);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    // The polynomial of the Cephes library.
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let mantissa = p * (r * r) + r + 1.0;
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127)
        << 23;
    mantissa * f32::from_bits(exponent)
}

/// sin²x, for |x| up to a few tens of thousands.
#[inline(always)]
pub(super) fn sin_squared(x: f32) -> f32 {
    // π in three parts, so that the reduction keeps every bit.
    const PI_HIGH: f32 = 3.140_625;
    const PI_MIDDLE: f32 = 9.675_026e-4;
    const PI_LOW: f32 = 1.509_958e-7;
    let n = (x * std::f32::consts::FRAC_1_PI + ROUND) - ROUND;
    let r = x - n * PI_HIGH - n * PI_MIDDLE - n * PI_LOW;
    let z = r * r;
    // Taylor series; the next term is below 1e-9 at π/2.
    let p = 1.605_904_4e-10;
    let p = p * z - 2.505_210_8e-8;
    let p = p * z + 2.755_731_9e-6;
    let p = p * z - 1.984_127e-4;
    let p = p * z + 8.333_333e-3;
    let p = p * z - 1.666_666_7e-1;
    let sine = r + r * z * p;
    sine * sine
}

/// Number of partial results in the reductions below.
const LANES: usize = 16;

/// The largest element, or −∞ if there are none.
#[inline(always)]
pub(super) fn maximum(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks
        .remainder()
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            // Unlike `f32::max`, this compiles to one instruction for all lanes.
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.into_iter().fold(rest, f32::max)
}

/// The sum of all elements, accumulated in sixteen interleaved parts, which keeps rounding small.
#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0] + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relative(got: f32, want: f64) -> f64 {
        ((f64::from(got) - want) / want).abs()
    }

    proptest! {
        #[test]
        fn exp_is_within_two_units_in_the_last_place(x in -87.0f32..88.0) {
            prop_assert!(relative(exp(x), f64::from(x).exp()) < 2.4e-7);
        }

        #[test]
        fn sin_squared_keeps_float32_accuracy(x in -3000.0f32..3000.0) {
            let want = f64::from(x).sin().powi(2);
            prop_assert!((f64::from(sin_squared(x)) - want).abs() < 3e-7, "{x}");
        }

        #[test]
        fn sums_and_maxima_are_right(values in proptest::collection::vec(-1.0f32..1.0, 0..200)) {
            let want: f64 = values.iter().map(|&v| f64::from(v)).sum();
            prop_assert!((f64::from(sum(&values)) - want).abs() < 1e-5);
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            prop_assert_eq!(maximum(&values), largest);
        }
    }

    #[test]
    fn exp_of_extremes_stays_finite() {
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
        assert!(exp(f32::INFINITY).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }
}
