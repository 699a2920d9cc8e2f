//! The wav container, read as leniently as libsndfile does.
//!
//! The usual crates refuse what the reference accepts: 64-bit floats, 24 bits under a short
//! format chunk, a data chunk whose length was never filled in (a pipe), a file cut short.

use super::waveform::Interleaved;

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// Whether `bytes` begin like a wav file.
pub fn is_wav(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12).is_none_or(|form| form == b"WAVE")
}

/// Reads a whole wav file. The error says what is wrong, without the file's name.
pub fn decode(bytes: &[u8]) -> Result<Interleaved, String> {
    const CUT: &str = "the wav header is cut short";
    let mut rest = bytes.get(12..).ok_or(CUT)?;
    let mut format = None;
    loop {
        let Some((header, body)) = rest.split_at_checked(8) else {
            return Err(match format {
                None => CUT.to_owned(),
                Some(_) => "the wav file has no data chunk, so it holds no samples".to_owned(),
            });
        };
        let stated = u32_at(header, 4).ok_or(CUT)? as usize;
        let chunk = &body[..stated.min(body.len())];
        match &header[..4] {
            b"fmt " => format = Some(Format::parse(chunk)?),
            b"data" => {
                let Some(format) = format else {
                    return Err("the wav file's data comes before its format chunk".to_owned());
                };
                return Ok(format.samples(chunk));
            }
            _ => {}
        }
        // Chunks are padded to even lengths.
        rest = body
            .get(stated.saturating_add(stated & 1)..)
            .unwrap_or_default();
    }
}

struct Format {
    encoding: Encoding,
    channels: usize,
    sample_rate: u32,
}

#[derive(Clone, Copy)]
enum Encoding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, String> {
        let cut = || "the wav header's format chunk is cut short".to_owned();
        let tag = u16_at(chunk, 0).ok_or_else(cut)?;
        let channels = usize::from(u16_at(chunk, 2).ok_or_else(cut)?);
        let sample_rate = u32_at(chunk, 4).ok_or_else(cut)?;
        let block = usize::from(u16_at(chunk, 12).ok_or_else(cut)?);
        let bits = u16_at(chunk, 14).ok_or_else(cut)?;
        // The extensible format keeps its real tag in the first bytes of a GUID.
        let tag = if tag == EXTENSIBLE {
            u16_at(chunk, 24).ok_or_else(cut)?
        } else {
            tag
        };
        if channels == 0 {
            return Err("the wav header states no channels".to_owned());
        }
        // Fewer valid bits than the container has are left-justified in it.
        let container = if block % channels == 0 {
            block / channels * 8
        } else {
            0
        };
        let encoding = match (tag, container) {
            (PCM, 8) => Encoding::Unsigned8,
            (PCM, 16) => Encoding::Signed16,
            (PCM, 24) => Encoding::Signed24,
            (PCM, 32) => Encoding::Signed32,
            (IEEE_FLOAT, 32) => Encoding::Float32,
            (IEEE_FLOAT, 64) => Encoding::Float64,
            _ => {
                return Err(format!(
                    "a wav encoding that is not supported (format {tag:#06x}, {bits} bits, blocks \
                     of {block} bytes for {channels} channel(s)); convert it to 16-bit PCM"
                ));
            }
        };
        Ok(Self {
            encoding,
            channels,
            sample_rate,
        })
    }

    /// The complete frames in `data`.
    fn samples(&self, data: &[u8]) -> Interleaved {
        let samples: Vec<f32> = match self.encoding {
            Encoding::Unsigned8 => data
                .iter()
                .map(|&b| (f32::from(b) - 128.0) / 128.0)
                .collect(),
            Encoding::Signed16 => each(data, |b: [u8; 2]| {
                f32::from(i16::from_le_bytes(b)) / 32_768.0
            }),
            Encoding::Signed24 => each(data, |[a, b, c]: [u8; 3]| {
                from_i32(i32::from_le_bytes([0, a, b, c]))
            }),
            Encoding::Signed32 => each(data, |b: [u8; 4]| from_i32(i32::from_le_bytes(b))),
            Encoding::Float32 => each(data, f32::from_le_bytes),
            Encoding::Float64 => each(data, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
        };
        let mut samples = samples;
        samples.truncate(samples.len() / self.channels * self.channels);
        Interleaved {
            samples,
            channels: self.channels,
            sample_rate: self.sample_rate,
        }
    }
}

fn from_i32(sample: i32) -> f32 {
    sample as f32 / 2_147_483_648.0
}

fn each<const N: usize>(data: &[u8], sample: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>()
        .0
        .iter()
        .map(|&bytes| sample(bytes))
        .collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_le_bytes(*b))
}
