//! Samples as numbers of a file.

use crate::SampleFormat;

/// A sample as a 16-bit integer, full scale at ±1: rounded, and cut off beyond full scale. What is
/// not a number becomes silence.
pub fn int16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

/// Samples as little-endian bytes.
pub(crate) fn bytes(samples: &[f32], format: SampleFormat) -> Vec<u8> {
    match format {
        SampleFormat::Int16 => samples
            .iter()
            .flat_map(|&s| int16(s).to_le_bytes())
            .collect(),
        SampleFormat::Float32 => samples.iter().flat_map(|s| s.to_le_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_rounded_and_cut_off_at_full_scale() {
        let samples = [0.0, 0.5, -1.0, 1.0, 2.0, -3.0, f32::NAN, 1.6 / 32_768.0];
        let expected = [0, 16_384, -32_768, 32_767, 32_767, -32_768, 0, 2];
        assert_eq!(samples.map(int16), expected);
    }
}
