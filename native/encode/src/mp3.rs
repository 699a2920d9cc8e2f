//! Mp3, by LAME.

use mp3lame_encoder::{Bitrate, Builder, FlushGap, Mode, MonoPcm, Quality};
use native::{Error, Result};

use crate::encoder::{Codec, End};
use crate::samples::int16;

/// Samples that are encoded at once: LAME writes at most 1.25 bytes of each, and 7200 more.
const BLOCK: usize = 4096;
const ROOM: usize = mp3lame_encoder::max_required_buffer_size(BLOCK);

pub(crate) struct Mp3 {
    encoder: mp3lame_encoder::Encoder,
}

impl Mp3 {
    /// `tagged`: whether the first frame is replaced, at the end, by one that states the length and
    /// how much of the sound is the encoder's own delay.
    pub(crate) fn new(sample_rate: u32, tagged: bool) -> Result<Self> {
        // What is ample for one voice. The slower formats of low rates end at 64 kbit/s.
        let bitrate = match sample_rate {
            ..16_000 => Bitrate::Kbps64,
            16_000..32_000 => Bitrate::Kbps96,
            _ => Bitrate::Kbps128,
        };
        let builder = Builder::new().ok_or_else(|| failed("there is not enough memory"))?;
        let build = |builder: Builder| {
            builder
                .with_num_channels(1)?
                .with_mode(Mode::Mono)?
                .with_sample_rate(sample_rate)?
                .with_output_sample_rate(std::num::NonZeroU32::new(sample_rate))?
                .with_brate(bitrate)?
                .with_quality(Quality::Good)?
                .with_to_write_vbr_tag(tagged)?
                .build()
        };
        let encoder = build(builder).map_err(failed)?;
        Ok(Self { encoder })
    }
}

impl Codec for Mp3 {
    fn start(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<()> {
        for block in samples.chunks(BLOCK) {
            let block: Vec<i16> = block.iter().map(|&s| int16(s)).collect();
            out.reserve(ROOM);
            self.encoder
                .encode_to_vec(MonoPcm(&block), out)
                .map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<End> {
        let mut bytes = Vec::with_capacity(ROOM);
        self.encoder
            .flush_to_vec::<FlushGap>(&mut bytes)
            .map_err(failed)?;
        let mut tag = Vec::with_capacity(ROOM);
        let start = self.encoder.lame_tag_encode_to_vec(&mut tag).map(|_| tag);
        Ok(End { bytes, start })
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::input(format!("mp3 cannot be written: {error}"))
}
