//! Opus in Ogg pages (RFC 7845).

use native::{Error, Result};
use ogg::{PacketWriteEndInfo, PacketWriter};

use crate::encoder::{Codec, End};
use crate::opus_codec::OpusEncoder;

/// Packets a second: each lasts 20 ms.
const PACKETS: usize = 50;
/// Packets of a page, 0.2 s: as long as a listener waits for more.
const PAGE: usize = 10;
/// The rate at which Ogg counts the samples of an Opus stream, whatever its own.
const COUNTED: u64 = 48_000;
/// Tells the streams of a file apart, and there is one.
const SERIAL: u32 = 1;

pub(crate) struct Opus {
    encoder: OpusEncoder,
    pages: PacketWriter<'static, Vec<u8>>,
    sample_rate: u32,
    /// Samples that do not fill a packet yet.
    pending: Vec<f32>,
    packets: usize,
    samples: u64,
}

impl Opus {
    pub(crate) fn new(sample_rate: u32) -> Result<Self> {
        Ok(Self {
            encoder: OpusEncoder::new(sample_rate)?,
            pages: PacketWriter::new(Vec::new()),
            sample_rate,
            pending: Vec::new(),
            packets: 0,
            samples: 0,
        })
    }

    fn frame(&self) -> usize {
        self.sample_rate as usize / PACKETS
    }

    /// Samples at Ogg's rate.
    fn counted(&self, samples: u64) -> u64 {
        samples * COUNTED / u64::from(self.sample_rate)
    }

    /// What a decoder has to leave out at the beginning.
    fn skipped(&self) -> u64 {
        self.counted(self.encoder.delay() as u64)
    }

    fn header(&self) -> Vec<u8> {
        let mut header = b"OpusHead\x01\x01".to_vec();
        // It is less than 20 ms.
        header.extend((self.skipped() as u16).to_le_bytes());
        header.extend(self.sample_rate.to_le_bytes());
        // No gain, and the channels of mapping family 0.
        header.extend([0; 3]);
        header
    }

    fn packet(&mut self, frame: Vec<f32>, end: bool) -> Result<()> {
        let packet = self.encoder.encode(&frame)?;
        self.packets += 1;
        let until = (self.packets * self.frame()) as u64;
        let (kind, position) = match end {
            // The end cuts off what was added to fill the last packet.
            true => (
                PacketWriteEndInfo::EndStream,
                self.skipped() + self.counted(self.samples),
            ),
            false if self.packets.is_multiple_of(PAGE) => {
                (PacketWriteEndInfo::EndPage, self.counted(until))
            }
            false => (PacketWriteEndInfo::NormalPacket, self.counted(until)),
        };
        let written = self.pages.write_packet(packet, SERIAL, kind, position);
        written.map_err(failed)
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.pages.inner_mut())
    }
}

impl Codec for Opus {
    fn start(&mut self) -> Vec<u8> {
        let mut tags = b"OpusTags".to_vec();
        let vendor = b"libopus 1.3.1";
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend([0; 4]);
        for header in [self.header(), tags] {
            // Into memory, which does not fail.
            let _ = self
                .pages
                .write_packet(header, SERIAL, PacketWriteEndInfo::EndPage, 0);
        }
        self.take()
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<()> {
        self.pending.extend(samples);
        self.samples += samples.len() as u64;
        let frame = self.frame();
        while self.pending.len() >= frame {
            let rest = self.pending.split_off(frame);
            let whole = std::mem::replace(&mut self.pending, rest);
            self.packet(whole, false)?;
        }
        out.extend(self.take());
        Ok(())
    }

    /// Silence fills the last packets: it brings out what the encoder still delays, so that at least
    /// one packet is left to end the stream.
    fn finish(mut self: Box<Self>) -> Result<End> {
        let frame = self.frame();
        let mut left = self.pending.len() + self.encoder.delay();
        let mut pending = std::mem::take(&mut self.pending);
        loop {
            pending.resize(frame, 0.0);
            let end = left <= frame;
            self.packet(std::mem::take(&mut pending), end)?;
            if end {
                break;
            }
            left -= frame;
        }
        Ok(End {
            bytes: self.take(),
            start: None,
        })
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::input(format!("Ogg cannot be written: {error}"))
}
