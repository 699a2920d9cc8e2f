//! Flac, block by block.

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Stream, StreamInfo};
use flacenc::config;
use flacenc::error::{Verified, Verify as _};
use flacenc::source::{Fill as _, FrameBuf};
use md5::{Digest as _, Md5};
use native::{Error, Result};

use crate::encoder::{Codec, End};
use crate::samples::int16;

/// Samples of a block, 171 ms at 24 kHz.
const BLOCK: usize = 4096;
/// The shortest buffer that the encoder has.
const SHORTEST: usize = 32;
const BITS: usize = 16;

pub(crate) struct Flac {
    config: Verified<config::Encoder>,
    info: StreamInfo,
    /// Samples that do not fill a block yet.
    pending: Vec<i32>,
    /// Of all samples, by which a decoder checks itself.
    md5: Md5,
    blocks: usize,
    samples: usize,
}

impl Flac {
    pub(crate) fn new(sample_rate: u32) -> Result<Self> {
        let config = config::Encoder::default().into_verified();
        let mut info = StreamInfo::new(sample_rate as usize, 1, BITS).map_err(failed)?;
        info.set_block_sizes(BLOCK, BLOCK).map_err(failed)?;
        Ok(Self {
            config: config.map_err(|(_, e)| failed(e))?,
            info,
            pending: Vec::new(),
            md5: Md5::new(),
            blocks: 0,
            samples: 0,
        })
    }

    fn block(&mut self, length: usize, out: &mut Vec<u8>) -> Result<()> {
        let rest = self.pending.split_off(length);
        let block = std::mem::replace(&mut self.pending, rest);
        let mut buffer = FrameBuf::with_size(1, length.max(SHORTEST)).map_err(failed)?;
        buffer.fill_interleaved(&block).map_err(failed)?;
        let frame =
            flacenc::encode_fixed_size_frame(&self.config, &buffer, self.blocks, &self.info);
        let frame = frame.map_err(failed)?;
        out.extend(written(&frame)?);
        self.blocks += 1;
        self.samples += length;
        Ok(())
    }

    /// The header. Zeros stand for what is not known.
    fn header(&self, info: &StreamInfo) -> Result<Vec<u8>> {
        written(&Stream::with_stream_info(info.clone()))
    }
}

impl Codec for Flac {
    fn start(&mut self) -> Vec<u8> {
        self.header(&self.info).unwrap_or_default()
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<()> {
        for &sample in samples {
            let sample = int16(sample);
            self.md5.update(sample.to_le_bytes());
            self.pending.push(sample.into());
        }
        while self.pending.len() >= BLOCK {
            self.block(BLOCK, out)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<End> {
        let mut bytes = Vec::new();
        if !self.pending.is_empty() {
            self.block(self.pending.len(), &mut bytes)?;
        }
        let mut info = self.info.clone();
        info.set_total_samples(self.samples);
        info.set_md5_digest(&self.md5.clone().finalize().into());
        let start = Some(self.header(&info)?);
        Ok(End { bytes, start })
    }
}

fn written(part: &impl BitRepr) -> Result<Vec<u8>> {
    let mut sink = ByteSink::new();
    part.write(&mut sink).map_err(failed)?;
    Ok(sink.as_slice().to_vec())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::input(format!("flac cannot be written: {error}"))
}
