//! Apple's Core Audio files.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::fields::Order;
use super::layout::{Coding, Layout};
use super::pcm::Pcm;
use super::source::Source;
use super::unreadable;

const IS_FLOAT: u32 = 1;
const IS_LITTLE_ENDIAN: u32 = 2;

/// Whether a file that begins with `head` is one.
pub(super) fn is_one(head: &[u8]) -> bool {
    head.starts_with(b"caff")
}

/// Finds the samples.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn layout(source: &mut Source) -> Result<Layout, String> {
    let mut at: u64 = 8;
    let mut description = None;
    while let Ok(header) = <[u8; 12]>::try_from(super::bytes_at(source, at, 12)?) {
        let body = at + 12;
        let stated = Order::Big.u64(&header, 4).unwrap_or_default();
        // Only the data's size may be -1, unknown; another negative one ends the search too.
        let next = body.saturating_add(stated);
        match header.first_chunk() {
            Some(b"desc") => {
                let chunk = super::bytes_at(source, body, 32)?;
                description = Some(describe(&chunk)?);
            }
            Some(b"data") => {
                let Some((coding, channels, sample_rate)) = description else {
                    return Err("the CAF file's data comes before its description".to_owned());
                };
                // Four bytes count the edits.
                return Ok(Layout {
                    container: "CAF",
                    coding,
                    channels,
                    sample_rate,
                    data: body + 4..next.max(body + 4),
                });
            }
            _ => {}
        }
        at = next;
    }
    Err(match description {
        None => "the CAF header is truncated".to_owned(),
        Some(_) => "the CAF file has no data chunk, so it contains no samples".to_owned(),
    })
}

/// Coding, channels and sample rate.
fn describe(chunk: &[u8]) -> Result<(Coding, usize, u32), String> {
    const CUT: &str = "the CAF file's description is truncated";
    let rate = f64::from_bits(Order::Big.u64(chunk, 0).ok_or(CUT)?);
    let id = chunk.get(8..12).ok_or(CUT)?;
    let flags = Order::Big.u32(chunk, 12).ok_or(CUT)?;
    let channels = usize::try_from(Order::Big.u32(chunk, 24).ok_or(CUT)?).unwrap_or(usize::MAX);
    let bits = Order::Big.u32(chunk, 28).ok_or(CUT)?;
    let pcm = match (id, bits, flags & IS_FLOAT != 0) {
        (b"lpcm", 8, false) => Some(Pcm::Signed8),
        (b"lpcm", 16, false) => Some(Pcm::Signed16),
        (b"lpcm", 24, false) => Some(Pcm::Signed24),
        (b"lpcm", 32, false) => Some(Pcm::Signed32),
        (b"lpcm", 32, true) => Some(Pcm::Float32),
        (b"lpcm", 64, true) => Some(Pcm::Float64),
        (b"alaw", ..) => Some(Pcm::ALaw),
        (b"ulaw", ..) => Some(Pcm::MuLaw),
        _ => None,
    };
    let pcm = pcm.ok_or_else(|| {
        unreadable(format!(
            "a CAF file of an unsupported encoding (`{}`, {bits} bits)",
            id.escape_ascii()
        ))
    })?;
    let order = if flags & IS_LITTLE_ENDIAN == 0 {
        Order::Big
    } else {
        Order::Little
    };
    Ok((Coding::Pcm(pcm, order), channels, integer(rate)))
}

/// The integer part of a rate. One that is negative, not a number or beyond 32 bits becomes one that
/// is refused.
#[cfg_attr(
    not(test),
    expect(clippy::cast_possible_truncation, reason = "it saturates")
)]
fn integer(rate: f64) -> u32 {
    rate as u32
}
