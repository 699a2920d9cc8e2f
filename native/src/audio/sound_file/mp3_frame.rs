//! The header of an mp3 frame, its side information, and the tag that encoders put first.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::fields::Order;
use super::unreadable;

const HEADER_BYTES: usize = 4;

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the whole frame.
    pub(super) bytes: usize,
    pub(super) sample_rate: u32,
    pub(super) channels: usize,
    /// MPEG 1, not 2 or 2.5.
    mpeg1: bool,
    has_checksum: bool,
}

impl Header {
    /// Reads the header in `word`; `None` if it is none.
    ///
    /// # Errors
    ///
    /// If it is one of a kind that is not decoded.
    pub(super) fn parse(word: u32) -> Option<Result<Self, String>> {
        let field = |shift: u32, bits: u32| (word >> shift) & ((1 << bits) - 1);
        let (version, layer) = (field(19, 2), field(17, 2));
        let (bitrate, rate) = (field(12, 4), field(10, 2));
        if field(21, 11) != 0x7ff || version == 1 || layer == 0 || bitrate == 15 || rate == 3 {
            return None;
        }
        if layer != 1 {
            return Some(Err(unreadable(format!(
                "MPEG audio of layer {}",
                4 - layer
            ))));
        }
        if bitrate == 0 {
            return Some(Err(unreadable("mp3 of a free bit rate".to_owned())));
        }
        const MPEG1_KBITS: [u32; 15] = [
            0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ];
        const MPEG2_KBITS: [u32; 15] =
            [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let mpeg1 = version == 3;
        let kbits = if mpeg1 { MPEG1_KBITS } else { MPEG2_KBITS };
        let divisor = match version {
            3 => 1,
            2 => 2,
            _ => 4,
        };
        let sample_rate = [44_100, 48_000, 32_000].get(rate as usize)? / divisor;
        let per_frame = if mpeg1 { 144_000 } else { 72_000 };
        let bytes = per_frame * kbits.get(bitrate as usize)? / sample_rate + field(9, 1);
        Some(Ok(Self {
            bytes: bytes as usize,
            sample_rate,
            channels: if field(6, 2) == 3 { 1 } else { 2 },
            mpeg1,
            has_checksum: field(16, 1) == 0,
        }))
    }

    /// Whether both can belong to one stream.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let key = |h: &Self| (h.mpeg1, h.sample_rate, h.channels);
        key(self) == key(other)
    }

    /// Samples per channel.
    pub(super) fn samples(&self) -> usize {
        if self.mpeg1 { 1152 } else { 576 }
    }

    fn side_information(&self) -> std::ops::Range<usize> {
        let start = HEADER_BYTES + if self.has_checksum { 2 } else { 0 };
        let bytes = match (self.mpeg1, self.channels) {
            (true, 1) | (false, 2) => 17,
            (true, _) => 32,
            (false, _) => 9,
        };
        start..start + bytes
    }

    /// Where the bytes begin that this frame and later ones refer to.
    pub(super) fn side_information_end(&self) -> usize {
        self.side_information().end.min(self.bytes)
    }

    /// By how many bytes a frame can refer to those before it.
    pub(super) fn longest_reference(&self) -> usize {
        if self.mpeg1 { 511 } else { 255 }
    }

    /// By how many bytes this frame refers to those before it.
    pub(super) fn main_data_begin(&self, frame: &[u8]) -> usize {
        match frame.get(self.side_information()) {
            Some([first, second, ..]) if self.mpeg1 => {
                usize::from(*first) << 1 | usize::from(second >> 7)
            }
            Some([first, ..]) => usize::from(*first),
            _ => 0,
        }
    }

    /// Clears the side information, so that no sound is decoded, and sets the reference to `begin`.
    pub(super) fn silence(&self, frame: &mut [u8], begin: usize) {
        let Some(side) = frame.get_mut(self.side_information()) else {
            return;
        };
        side.fill(0);
        // Nine bits or eight, the highest first.
        let begin = begin.min(self.longest_reference());
        let bits = if self.mpeg1 { begin << 7 } else { begin << 8 };
        let bytes = u16::try_from(bits).unwrap_or_default().to_be_bytes();
        for (byte, bits) in side.iter_mut().zip(bytes) {
            *byte = bits;
        }
    }
}

/// The Xing or Info tag of a stream's first frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InfoTag {
    /// The frames that follow; 0 if it does not say.
    pub(super) frames: u32,
    /// Samples that the encoder put before the sound.
    pub(super) delay: u32,
    /// Samples that it put behind it.
    pub(super) padding: u32,
}

impl InfoTag {
    /// The tag in `frame`, if it is one.
    pub(super) fn of(header: &Header, frame: &[u8]) -> Option<Self> {
        // The checksum, where there is one, is not counted: encoders write the tag at this place.
        let checked = Header {
            has_checksum: false,
            ..*header
        };
        let at = checked.side_information().end;
        // Zeros apart from the checksum.
        if frame.get(HEADER_BYTES + 2..at)?.iter().any(|&b| b != 0)
            || !matches!(frame.get(at..at + 4)?, b"Xing" | b"Info")
        {
            return None;
        }
        let mut tag = Self {
            frames: 0,
            delay: 0,
            padding: 0,
        };
        let flags = Order::Big.u32(frame, at + 4)?;
        let mut at = at + 8;
        if flags & 1 != 0 {
            tag.frames = Order::Big.u32(frame, at).unwrap_or_default();
            at += 4;
        }
        at += if flags & 2 != 0 { 4 } else { 0 };
        at += if flags & 4 != 0 { 100 } else { 0 };
        at += if flags & 8 != 0 { 4 } else { 0 };
        let lame = frame
            .get(at..at + 24)
            .filter(|lame| !lame.starts_with(&[0]));
        if let Some(&numbers) = lame.and_then(|lame| lame.last_chunk()) {
            let [first, second, third] = numbers.map(u32::from);
            tag.delay = first << 4 | second >> 4;
            tag.padding = (second << 8 | third) & 0xfff;
        }
        Some(tag)
    }
}
