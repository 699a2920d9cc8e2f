//! AIFF and AIFF-C files.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::adpcm::{AIFF_BLOCK, Adpcm};
use super::fields::Order;
use super::layout::{Coding, Layout};
use super::pcm::Pcm;
use super::source::Source;
use super::unreadable;

const NAME: &str = "AIFF";

/// Whether a file that begins with `head` is one.
pub(super) fn is_one(head: &[u8]) -> bool {
    head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC"))
}

/// Finds the samples.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn layout(source: &mut Source) -> Result<Layout, String> {
    let compressed = super::bytes_at(source, 8, 4)? == b"AIFC";
    let mut at = 12;
    let (mut common, mut data) = (None, None);
    while let Ok(header) = <[u8; 8]>::try_from(super::bytes_at(source, at, 8)?) {
        let body = at + 8;
        let bytes = u64::from(Order::Big.u32(&header, 4).unwrap_or_default());
        match &header[..4] {
            b"COMM" => {
                // Only AIFF-C names a coding there.
                let most = if compressed { 22 } else { 18 };
                let count = usize::try_from(bytes.min(most)).unwrap_or_default();
                common = Some(Common::parse(&super::bytes_at(source, body, count)?)?);
            }
            b"SSND" => {
                let fields = super::bytes_at(source, body, 8)?;
                let offset = Order::Big
                    .u32(&fields, 0)
                    .ok_or("the AIFF file's sound chunk is truncated")?;
                // The first sample may stand further on, for programs that read by sectors.
                data = Some(body + 8 + u64::from(offset)..body + bytes.max(8));
            }
            _ => {}
        }
        // Chunks are padded to even lengths.
        at = body + bytes + (bytes & 1);
    }
    let common = common.ok_or("the AIFF file has no COMM chunk, or its header is truncated")?;
    let data = data.ok_or("the AIFF file has no sound chunk, so it contains no samples")?;
    Ok(Layout {
        container: NAME,
        coding: common.coding,
        channels: common.channels,
        sample_rate: common.sample_rate,
        data,
    })
}

struct Common {
    coding: Coding,
    channels: usize,
    sample_rate: u32,
}

impl Common {
    fn parse(chunk: &[u8]) -> Result<Self, String> {
        const CUT: &str = "the AIFF file's COMM chunk is truncated";
        let channels = usize::from(Order::Big.u16(chunk, 0).ok_or(CUT)?);
        let bits = Order::Big.u16(chunk, 6).ok_or(CUT)?;
        let exponent = Order::Big.u16(chunk, 8).ok_or(CUT)?;
        let mantissa = Order::Big.u64(chunk, 10).ok_or(CUT)?;
        let compression = chunk.get(18..22).unwrap_or(b"NONE");
        let integer = |order| {
            let pcm = match bits {
                1..=8 => Pcm::Signed8,
                9..=16 => Pcm::Signed16,
                17..=24 => Pcm::Signed24,
                25..=32 => Pcm::Signed32,
                _ => return None,
            };
            Some(Coding::Pcm(pcm, order))
        };
        let pcm = |pcm| Some(Coding::Pcm(pcm, Order::Big));
        let coding = match compression {
            b"NONE" | b"twos" => integer(Order::Big),
            b"sowt" => integer(Order::Little),
            b"raw " => pcm(Pcm::Unsigned8),
            b"in24" => pcm(Pcm::Signed24),
            b"in32" => pcm(Pcm::Signed32),
            b"42ni" => Some(Coding::Pcm(Pcm::Signed24, Order::Little)),
            b"23ni" => Some(Coding::Pcm(Pcm::Signed32, Order::Little)),
            b"fl32" | b"FL32" => pcm(Pcm::Float32),
            b"fl64" | b"FL64" => pcm(Pcm::Float64),
            b"alaw" | b"ALAW" => pcm(Pcm::ALaw),
            b"ulaw" | b"ULAW" => pcm(Pcm::MuLaw),
            b"ima4" => Some(Coding::Adpcm(Adpcm::ImaAiff, AIFF_BLOCK.0 * channels)),
            _ => None,
        };
        let coding = coding.ok_or_else(|| {
            unreadable(format!(
                "an AIFF file of an unsupported encoding (`{}`, {bits} bits)",
                compression.escape_ascii()
            ))
        })?;
        Ok(Self {
            coding,
            channels,
            sample_rate: integer_of_extended(exponent, mantissa),
        })
    }
}

/// The integer part of an 80-bit float; 0 if it is negative or does not fit.
fn integer_of_extended(exponent: u16, mantissa: u64) -> u32 {
    match exponent.checked_sub(0x3fff) {
        Some(power @ 0..=31) => u32::try_from(mantissa >> (63 - power)).unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_from_80_bit_floats() {
        assert_eq!(integer_of_extended(0x400e, 0xac44 << 48), 44_100);
        assert_eq!(integer_of_extended(0x400d, 0xbb80 << 48), 24_000);
        assert_eq!(integer_of_extended(0x3fff, 1 << 63), 1);
        assert_eq!(integer_of_extended(0x401e, u64::MAX), u32::MAX);
        for (exponent, mantissa) in [(0, 0), (0x401f, 1 << 63), (0x7fff, 0), (0xc00e, 1 << 63)] {
            assert_eq!(integer_of_extended(exponent, mantissa), 0);
        }
    }
}
