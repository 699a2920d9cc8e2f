//! Wav, and samples without a header.

use std::io::Cursor;

use native::{Error, Result};

use crate::encoder::{Codec, End};
use crate::samples::bytes;
use crate::{FileFormat, SampleFormat};

/// Where a wav header states how many bytes follow.
const LENGTH: usize = 4;

pub(crate) struct Wav {
    /// Of a file without sound; its last four bytes state the length of the sound.
    header: Vec<u8>,
    samples: SampleFormat,
    written: u64,
}

impl Wav {
    pub(crate) fn new(sample_rate: u32, samples: SampleFormat) -> Result<Self> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate,
            bits_per_sample: 8 * samples.bytes() as u16,
            sample_format: match samples {
                SampleFormat::Int16 => hound::SampleFormat::Int,
                SampleFormat::Float32 => hound::SampleFormat::Float,
            },
        };
        let failed = |e| Error::input(format!("cannot make a {} header: {e}", FileFormat::Wav));
        let mut header = Vec::new();
        let writer = hound::WavWriter::new(Cursor::new(&mut header), spec).map_err(failed)?;
        writer.finalize().map_err(failed)?;
        Ok(Self {
            header,
            samples,
            written: 0,
        })
    }

    /// The header of so many bytes of sound. A length that it cannot state, or that is not known, is
    /// the largest, by which readers understand "until the end".
    fn header(&self, bytes: Option<u64>) -> Vec<u8> {
        let mut header = self.header.clone();
        let after = header.len() - (LENGTH + 4);
        let stated = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let (whole, sound) = match bytes {
            Some(bytes) => (stated(bytes + after as u64), stated(bytes)),
            None => ([0xff; 4], [0xff; 4]),
        };
        header[LENGTH..LENGTH + 4].copy_from_slice(&whole);
        let end = header.len();
        header[end - 4..].copy_from_slice(&sound);
        header
    }
}

impl Codec for Wav {
    fn start(&mut self) -> Vec<u8> {
        self.header(None)
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<()> {
        out.extend(bytes(samples, self.samples));
        self.written += (samples.len() * self.samples.bytes()) as u64;
        Ok(())
    }

    fn start_so_far(&self) -> Option<Vec<u8>> {
        Some(self.header(Some(self.written)))
    }

    fn finish(self: Box<Self>) -> Result<End> {
        Ok(End {
            bytes: Vec::new(),
            start: self.start_so_far(),
        })
    }
}

pub(crate) struct Pcm(pub(crate) SampleFormat);

impl Codec for Pcm {
    fn start(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<()> {
        out.extend(bytes(samples, self.0));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<End> {
        Ok(End {
            bytes: Vec::new(),
            start: None,
        })
    }
}
