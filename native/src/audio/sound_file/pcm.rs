//! Samples that stand one by one in a file: integers, floats and the two laws of telephony.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::fields::Order;

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pcm {
    Unsigned8,
    Signed8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
    ALaw,
    MuLaw,
}

impl Pcm {
    /// Bytes of one sample.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 | Self::Signed8 | Self::ALaw | Self::MuLaw => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// The name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unsigned8 | Self::Signed8 => "integer 8 bit",
            Self::Signed16 => "integer 16 bit",
            Self::Signed24 => "integer 24 bit",
            Self::Signed32 => "integer 32 bit",
            Self::Float32 => "float 32 bit",
            Self::Float64 => "float 64 bit",
            Self::ALaw => "A-law",
            Self::MuLaw => "µ-law",
        }
    }

    /// Appends the complete samples in `data`, full scale at ±1 as libsndfile scales them: integers
    /// of n bits are divided by 2ⁿ⁻¹.
    pub(super) fn decode(self, order: Order, data: &[u8], samples: &mut Vec<f32>) {
        match self {
            Self::Unsigned8 => each(order, data, samples, |[b]| (f32::from(b) - 128.0) / 128.0),
            Self::Signed8 => each(order, data, samples, |b| {
                f32::from(i8::from_le_bytes(b)) / 128.0
            }),
            Self::Signed16 => each(order, data, samples, |b| from_i16(i16::from_le_bytes(b))),
            Self::Signed24 => each(order, data, samples, |[a, b, c]| {
                from_i32(i32::from_le_bytes([0, a, b, c]))
            }),
            Self::Signed32 => each(order, data, samples, |b| from_i32(i32::from_le_bytes(b))),
            Self::Float32 => each(order, data, samples, f32::from_le_bytes),
            Self::Float64 => each(order, data, samples, |b| rounded(f64::from_le_bytes(b))),
            Self::ALaw => each(order, data, samples, |[b]| from_i16(a_law(b))),
            Self::MuLaw => each(order, data, samples, |[b]| from_i16(mu_law(b))),
        }
    }
}

/// A 16-bit sample at full scale ±1.
pub(super) fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn from_i32(sample: i32) -> f32 {
    sample as f32 / 2_147_483_648.0
}

#[cfg_attr(
    not(test),
    expect(clippy::cast_possible_truncation, reason = "to the nearest float32")
)]
fn rounded(sample: f64) -> f32 {
    sample as f32
}

fn each<const N: usize>(
    order: Order,
    data: &[u8],
    samples: &mut Vec<f32>,
    sample: impl Fn([u8; N]) -> f32,
) {
    samples.extend(data.as_chunks::<N>().0.iter().map(|&(mut bytes)| {
        if order == Order::Big {
            bytes.reverse();
        }
        sample(bytes)
    }));
}

/// ITU-T G.711, A-law.
fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// ITU-T G.711, µ-law.
fn mu_law(code: u8) -> i16 {
    let code = !code;
    let magnitude = (((i16::from(code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coding: Pcm, order: Order, data: &[u8]) -> Vec<f32> {
        let mut samples = Vec::new();
        coding.decode(order, data, &mut samples);
        samples
    }

    #[test]
    fn integers_are_scaled_as_libsndfile_scales_them() {
        let little = |coding, data| decoded(coding, Order::Little, data);
        assert_eq!(
            little(Pcm::Unsigned8, &[0, 128, 255]),
            [-1.0, 0.0, 127.0 / 128.0]
        );
        assert_eq!(little(Pcm::Signed8, &[0x80, 0, 64]), [-1.0, 0.0, 0.5]);
        assert_eq!(
            little(Pcm::Signed16, &[0, 0x80, 1, 0]),
            [-1.0, 1.0 / 32_768.0]
        );
        assert_eq!(
            little(Pcm::Signed24, &[0, 0, 0x80, 0xff, 0xff, 0xff]),
            [-1.0, -1.0 / 8_388_608.0]
        );
        // The largest 32-bit sample rounds up to full scale.
        assert_eq!(
            little(Pcm::Signed32, &[0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f]),
            [-1.0, 1.0]
        );
    }

    #[test]
    fn floats_are_read_unchanged_in_either_order() {
        for (order, bytes) in [
            (Order::Little, 1.5_f32.to_le_bytes()),
            (Order::Big, 1.5_f32.to_be_bytes()),
        ] {
            assert_eq!(decoded(Pcm::Float32, order, &bytes), [1.5]);
        }
        assert_eq!(
            decoded(Pcm::Float64, Order::Big, &0.1_f64.to_be_bytes()),
            [0.1_f32]
        );
    }

    #[test]
    fn the_laws_have_the_values_of_the_standard() {
        // G.711, tables 1a and 2a: the ends and the middle of each sign.
        assert_eq!(
            [0x2a, 0xaa, 0x55, 0xd5].map(a_law),
            [-32_256, 32_256, -8, 8]
        );
        assert_eq!(
            [0x00, 0x80, 0x7f, 0xff].map(mu_law),
            [-32_124, 32_124, 0, 0]
        );
    }

    #[test]
    fn an_incomplete_sample_at_the_end_is_left_out() {
        assert_eq!(decoded(Pcm::Signed16, Order::Little, &[0, 0x40, 9]), [0.5]);
    }
}
