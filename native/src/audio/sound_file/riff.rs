//! Wav files and their kin RF64, RIFX and Sony's Wave64, read as leniently as by libsndfile.
//!
//! The usual crates refuse files that the reference accepts: 64-bit floats, 24-bit samples with a
//! short format chunk, a data chunk without a length (written to a pipe), and truncated files.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::adpcm::Adpcm;
use super::fields::Order;
use super::layout::{Coding, Layout};
use super::pcm::Pcm;
use super::source::Source;
use super::unreadable;

const PCM: u16 = 1;
const MICROSOFT_ADPCM: u16 = 2;
const IEEE_FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
const IBM_MU_LAW: u16 = 0x101;
const IBM_A_LAW: u16 = 0x102;
const EXTENSIBLE: u16 = 0xfffe;

/// Bytes of a format chunk that mean something here.
const FORMAT_BYTES: usize = 64;
/// The ids of Wave64's chunks begin with these letters and end alike, but for the file's own.
const W64_RIFF: &[u8; 16] = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
const W64_TAIL: &[u8; 12] = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

/// Which of the four a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Wav,
    BigEndian,
    Rf64,
    Wave64,
}

impl Kind {
    /// The kind of a file that begins with `head`.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let wave = head.get(8..12).is_none_or(|form| form == b"WAVE");
        match head.get(..4)? {
            b"RIFF" if wave => Some(Self::Wav),
            b"RIFX" if wave => Some(Self::BigEndian),
            b"RF64" | b"BW64" if wave => Some(Self::Rf64),
            b"riff" if head.starts_with(W64_RIFF) => Some(Self::Wave64),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wav | Self::BigEndian => "wav",
            Self::Rf64 => "RF64",
            Self::Wave64 => "Wave64",
        }
    }

    fn order(self) -> Order {
        match self {
            Self::BigEndian => Order::Big,
            _ => Order::Little,
        }
    }

    /// Bytes before the first chunk, and of a chunk's header.
    fn headers(self) -> (u64, usize) {
        match self {
            Self::Wave64 => (40, 24),
            _ => (12, 8),
        }
    }
}

/// A chunk's name and the place of its body, whose end may lie beyond the file.
struct Chunk {
    name: [u8; 4],
    body: u64,
    bytes: u64,
    next: u64,
}

impl Chunk {
    fn at(source: &mut Source, kind: Kind, at: u64) -> Result<Option<Self>, String> {
        let (_, header_bytes) = kind.headers();
        let header = super::bytes_at(source, at, header_bytes)?;
        let Some(&name) = header.first_chunk() else {
            return Ok(None);
        };
        let body = at.saturating_add(header_bytes as u64);
        let (bytes, step) = if kind == Kind::Wave64 {
            let Some(stated) = Order::Little.u64(&header, 16) else {
                return Ok(None);
            };
            // The size counts the header. Other programs' chunks have other ids.
            let name = if header.get(4..16) == Some(W64_TAIL) {
                name
            } else {
                [0; 4]
            };
            let bytes = stated.saturating_sub(header_bytes as u64);
            return Ok(Some(Self {
                name,
                body,
                bytes,
                // At least a header further, so that the search ends.
                next: body.saturating_add(bytes.checked_next_multiple_of(8).unwrap_or(u64::MAX)),
            }));
        } else {
            let Some(stated) = kind.order().u32(&header, 4) else {
                return Ok(None);
            };
            let stated = u64::from(stated);
            // Chunks are padded to even lengths.
            (stated, stated + (stated & 1))
        };
        Ok(Some(Self {
            name,
            body,
            bytes,
            next: body.saturating_add(step),
        }))
    }
}

/// Finds the samples of a wav file or one of its kin.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn layout(source: &mut Source, kind: Kind) -> Result<Layout, String> {
    let name = kind.name();
    let (mut at, _) = kind.headers();
    let cut = format!("the {name} header is truncated");
    if source.size() < at {
        return Err(cut);
    }
    let mut format = None;
    let mut long_data = None;
    while let Some(chunk) = Chunk::at(source, kind, at)? {
        let mut body = |count: usize| {
            let there = usize::try_from(chunk.bytes).unwrap_or(usize::MAX);
            super::bytes_at(source, chunk.body, count.min(there))
        };
        match &chunk.name {
            b"fmt " => format = Some(WavFormat::parse(&body(FORMAT_BYTES)?, kind)?),
            b"ds64" => long_data = Order::Little.u64(&body(16)?, 8),
            b"data" => {
                let Some(format) = format else {
                    return Err(format!(
                        "the {name} file's data comes before its format chunk"
                    ));
                };
                let bytes = match long_data {
                    Some(bytes) if chunk.bytes == u64::from(u32::MAX) => bytes,
                    _ => chunk.bytes,
                };
                return Ok(Layout {
                    container: name,
                    coding: format.coding,
                    channels: format.channels,
                    sample_rate: format.sample_rate,
                    data: chunk.body..chunk.body.saturating_add(bytes),
                });
            }
            _ => {}
        }
        at = chunk.next;
    }
    Err(match format {
        None => cut,
        Some(_) => format!("the {name} file has no data chunk, so it contains no samples"),
    })
}

struct WavFormat {
    coding: Coding,
    channels: usize,
    sample_rate: u32,
}

impl WavFormat {
    fn parse(chunk: &[u8], kind: Kind) -> Result<Self, String> {
        let (name, order) = (kind.name(), kind.order());
        let cut = || format!("the {name} header's format chunk is truncated");
        let tag = order.u16(chunk, 0).ok_or_else(cut)?;
        let channels = usize::from(order.u16(chunk, 2).ok_or_else(cut)?);
        let sample_rate = order.u32(chunk, 4).ok_or_else(cut)?;
        let block = usize::from(order.u16(chunk, 12).ok_or_else(cut)?);
        let bits = order.u16(chunk, 14).ok_or_else(cut)?;
        // The extensible format keeps its real tag in the first bytes of a GUID.
        let tag = if tag == EXTENSIBLE {
            order.u16(chunk, 24).ok_or_else(cut)?
        } else {
            tag
        };
        if channels == 0 {
            return Err(format!("the {name} header states no channels"));
        }
        // Samples with fewer bits than their container are left-justified in it.
        let container = if block % channels == 0 {
            block / channels * 8
        } else {
            0
        };
        let coding = match (tag, container) {
            (PCM, 8) => Coding::Pcm(Pcm::Unsigned8, order),
            (PCM, 16) => Coding::Pcm(Pcm::Signed16, order),
            (PCM, 24) => Coding::Pcm(Pcm::Signed24, order),
            (PCM, 32) => Coding::Pcm(Pcm::Signed32, order),
            (IEEE_FLOAT, 32) => Coding::Pcm(Pcm::Float32, order),
            (IEEE_FLOAT, 64) => Coding::Pcm(Pcm::Float64, order),
            (A_LAW | IBM_A_LAW, 8) => Coding::Pcm(Pcm::ALaw, order),
            (MU_LAW | IBM_MU_LAW, 8) => Coding::Pcm(Pcm::MuLaw, order),
            (MICROSOFT_ADPCM, _) => Coding::Adpcm(Adpcm::Microsoft, block),
            (IMA_ADPCM, _) => Coding::Adpcm(Adpcm::ImaWav, block),
            _ => {
                let coding = match tag {
                    0x31 => "GSM 6.10, ",
                    0x55 => "mp3, ",
                    0x40 | 0x45 | 0x64 => "G.72x ADPCM, ",
                    _ => "",
                };
                return Err(unreadable(format!(
                    "a {name} file of an unsupported encoding ({coding}format {tag:#06x}, {bits} \
                     bits, blocks of {block} bytes for {channels} channel(s))"
                )));
            }
        };
        Ok(Self {
            coding,
            channels,
            sample_rate,
        })
    }
}
