//! Where a file's samples stand and how they are coded, and reading them in blocks.
//!
//! Every container of uncompressed or four-bit samples comes down to a [`Layout`].
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::adpcm::Adpcm;
use super::fields::Order;
use super::pcm::{Pcm, from_i16};
use super::source::Source;
use super::{Decode, Format};

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 1 << 16;
/// The largest block of an ADPCM file: its header has 16 bits for it.
const MAX_BLOCK: usize = u16::MAX as usize;
/// More channels than any recording has; libsndfile's limit.
const MAX_CHANNELS: usize = 1024;

/// What a header says about the samples.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) container: &'static str,
    pub(super) coding: Coding,
    pub(super) channels: usize,
    pub(super) sample_rate: u32,
    /// Bytes of the samples; may end beyond the file.
    pub(super) data: Range<u64>,
}

/// How the samples are coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Coding {
    Pcm(Pcm, Order),
    /// Blocks of so many bytes.
    Adpcm(Adpcm, usize),
}

impl Layout {
    /// The samples of `source`.
    ///
    /// # Errors
    ///
    /// If a number in the header is impossible.
    pub(super) fn open(self, source: Source) -> Result<(Format, Box<dyn Decode>), String> {
        let Self {
            container,
            coding,
            channels,
            sample_rate,
            data,
        } = self;
        if channels == 0 {
            return Err(format!("the {container} header states no channels"));
        }
        if channels > MAX_CHANNELS {
            return Err(format!(
                "the {container} header states {channels} channels; at most {MAX_CHANNELS} are read"
            ));
        }
        if sample_rate == 0 {
            return Err("states a sample rate of 0 Hz".to_owned());
        }
        let end = data.end.min(source.size());
        let bytes = end.saturating_sub(data.start);
        let block = match coding {
            Coding::Pcm(pcm, _) => {
                let frame = pcm.bytes() * channels;
                frame * (BLOCK_BYTES / frame).max(1)
            }
            Coding::Adpcm(adpcm, block) => {
                if channels > 2 {
                    return Err(format!(
                        "{} of {channels} channels; only one or two can be read",
                        adpcm.name()
                    ));
                }
                if block > MAX_BLOCK || adpcm.frames(block, channels).is_none() {
                    return Err(format!(
                        "the {container} header states blocks of {block} bytes, which {} of \
                         {channels} channel(s) cannot have",
                        adpcm.name()
                    ));
                }
                block
            }
        };
        let format = Format {
            container,
            encoding: match coding {
                Coding::Pcm(pcm, _) => pcm.name(),
                Coding::Adpcm(adpcm, _) => adpcm.name(),
            },
            channels,
            sample_rate,
        };
        let blocks = Blocks {
            source,
            coding,
            channels,
            at: data.start,
            left: bytes,
            block: vec![0; block],
        };
        Ok((format, Box::new(blocks)))
    }
}

struct Blocks {
    source: Source,
    coding: Coding,
    channels: usize,
    at: u64,
    left: u64,
    block: Vec<u8>,
}

impl Decode for Blocks {
    fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, String> {
        let block = self.block.len();
        let wanted = usize::try_from(self.left).map_or(block, |left| left.min(block));
        let Some(part) = self.block.get_mut(..wanted).filter(|part| !part.is_empty()) else {
            return Ok(false);
        };
        self.left -= wanted as u64;
        let read = self
            .source
            .seek(SeekFrom::Start(self.at))
            .and_then(|_| self.source.read_exact(part));
        read.map_err(|e| format!("cannot be read: {e}"))?;
        self.at += wanted as u64;
        match self.coding {
            Coding::Pcm(pcm, order) => {
                let frame = pcm.bytes() * self.channels;
                let whole = part.get(..wanted / frame * frame).unwrap_or_default();
                pcm.decode(order, whole, samples);
            }
            // As in libsndfile, what stands of a truncated block is completed by the block before.
            Coding::Adpcm(Adpcm::Microsoft, block) if wanted < block => {}
            Coding::Adpcm(adpcm, _) => {
                let decoded = adpcm.decode(&self.block, self.channels);
                samples.extend(decoded.into_iter().map(from_i16));
            }
        }
        Ok(true)
    }
}
