//! Wav files, read as leniently as by libsndfile.
//!
//! The usual crates refuse files that the reference accepts: 64-bit floats, 24-bit samples with a
//! short format chunk, a data chunk without a length (written to a pipe), and truncated files.

use super::interleaved::Interleaved;

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// Whether `bytes` begin like a wav file.
pub fn is_wav(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12).is_none_or(|form| form == b"WAVE")
}

/// Reads a whole wav file.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub fn decode(bytes: &[u8]) -> Result<Interleaved, String> {
    const CUT: &str = "the wav header is truncated";
    let mut rest = bytes.get(12..).ok_or(CUT)?;
    let mut format = None;
    loop {
        let Some((header, body)) = rest.split_at_checked(8) else {
            return Err(match format {
                None => CUT.to_owned(),
                Some(_) => "the wav file has no data chunk, so it contains no samples".to_owned(),
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
        let cut = || "the wav header's format chunk is truncated".to_owned();
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
        // Samples with fewer bits than their container are left-justified in it.
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
                    "unsupported wav encoding (format {tag:#06x}, {bits} bits, blocks \
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
        let mut samples: Vec<f32> = match self.encoding {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A wav file of one format chunk, and one data chunk whose header states `length`.
    fn wav(tag: u16, channels: u16, bits: u16, data: &[u8], length: u32) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(22_050_u32.to_le_bytes());
        file.extend((22_050 * u32::from(block)).to_le_bytes());
        file.extend(block.to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend(length.to_le_bytes());
        file.extend(data);
        file
    }

    fn samples(tag: u16, bits: u16, data: &[u8]) -> Vec<f32> {
        decode(&wav(tag, 1, bits, data, data.len() as u32))
            .unwrap()
            .samples
    }

    fn message(file: &[u8]) -> String {
        decode(file).err().expect("decoded")
    }

    #[test]
    fn integers_are_scaled_as_libsndfile_scales_them() {
        assert_eq!(samples(PCM, 8, &[0, 128, 255]), [-1.0, 0.0, 127.0 / 128.0]);
        assert_eq!(samples(PCM, 16, &[0, 0x80, 1, 0]), [-1.0, 1.0 / 32_768.0]);
        let sample = 1.0 / 8_388_608.0;
        assert_eq!(
            samples(PCM, 24, &[0, 0, 0x80, 0xff, 0xff, 0xff]),
            [-1.0, -sample]
        );
        // The largest 32-bit sample rounds up to full scale.
        assert_eq!(
            samples(PCM, 32, &[0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f]),
            [-1.0, 1.0]
        );
    }

    #[test]
    fn floats_are_read_unchanged() {
        assert_eq!(samples(IEEE_FLOAT, 32, &1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(samples(IEEE_FLOAT, 64, &0.1_f64.to_le_bytes()), [0.1_f32]);
    }

    #[test]
    fn the_extensible_formats_real_tag_is_used() {
        let mut file = wav(EXTENSIBLE, 2, 16, &[], 0);
        file.truncate(36);
        file[16] = 40;
        file.extend([22, 0, 16, 0, 3, 0, 0, 0, 1, 0]);
        file.extend([0; 14]);
        file.extend(b"data\x04\0\0\0\x00\x40\x00\xc0");
        let sound = decode(&file).unwrap();
        assert_eq!((sound.channels, sound.samples), (2, vec![0.5, -0.5]));
    }

    #[test]
    fn a_missing_data_length_means_the_rest_of_the_file() {
        let sound = decode(&wav(PCM, 1, 16, &[0, 0x40, 0, 0x20], u32::MAX)).unwrap();
        assert_eq!(sound.samples, [0.5, 0.25]);
    }

    #[test]
    fn truncated_data_ends_with_the_last_complete_frame() {
        let sound = decode(&wav(PCM, 2, 16, &[0, 0x40, 0, 0x20, 0, 0x10, 7], 400)).unwrap();
        assert_eq!(sound.samples, [0.5, 0.25]);
    }

    #[test]
    fn chunks_of_other_kinds_are_skipped_with_their_padding() {
        let mut file = wav(PCM, 1, 16, &[0, 0x40], 2);
        file.splice(36..36, *b"LIST\x05\0\0\0INFOx\0");
        file.extend(b"LIST\x04\0\0\0INFO");
        assert_eq!(decode(&file).unwrap().samples, [0.5]);
    }

    #[test]
    fn a_header_truncated_anywhere_is_an_error() {
        let file = wav(PCM, 1, 16, &[0, 0x40], 2);
        for length in 0..44 {
            let reason = message(&file[..length]);
            assert!(
                reason.contains("truncated") || reason.contains("no data"),
                "{reason}"
            );
        }
    }

    #[test]
    fn an_unreadable_file_is_refused_with_the_reason() {
        const A_LAW: u16 = 6;
        assert!(message(&wav(A_LAW, 1, 8, &[0], 1)).contains("convert it"));
        assert!(message(&wav(PCM, 1, 64, &[0], 1)).contains("64 bits"));
        assert!(message(&wav(PCM, 0, 16, &[0], 1)).contains("no channels"));
        let mut file = wav(PCM, 1, 16, &[0, 0x40], 2);
        file.drain(12..36);
        assert!(message(&file).contains("before its format chunk"));
    }
}
