//! Ogg Opus files, read as libsndfile reads them.
//!
//! Opus itself knows no length and no sample rate; what a file's sound is follows from the positions
//! of its pages. The choices of libsndfile are made here:
//!
//! - the sound is decoded at the lowest of Opus's rates that is not below the recording's;
//! - the pre-skip is counted from the first page's beginning, which need not be at 0;
//! - the sound ends where the last page says, wherever its packets end, or with its packets;
//! - where a page is missing, the sound goes on without a gap;
//! - a page whose packets go beyond its position is an error, unless it is the last;
//! - of a file that was joined from several, the first is heard;
//! - in place of an empty packet, sound is made up.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::collections::VecDeque;

use super::fields::Order;
use super::ogg::{self, Item, Packet, Page, Pages, Stream};
use super::opus_codec::{Channels, Decoder, Failure};
use super::opus_packet;
use super::source::Source;
use super::{Decode, Format, unreadable};

/// Positions count samples at this rate, Hz.
const POSITION_RATE: u32 = 48_000;
/// With a longer pre-skip libsndfile begins to decode behind it, in samples at 48 kHz: 660 ms.
const LONGEST_PREROLL: u64 = 31_680;
/// The family of channel mappings that needs no table.
const MONO_OR_STEREO: u8 = 0;
/// The family of the channel orders of Vorbis, of up to eight channels.
const SURROUND: u8 = 1;

/// Whether a file that begins with `head` is one.
pub(super) fn is_one(head: &[u8]) -> bool {
    ogg::begins_with(head, b"OpusHead")
}

/// Opens an Ogg Opus file.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn open(source: Source) -> Result<(Format, Box<dyn Decode>), String> {
    let mut pages = Pages::new(source);
    let first = match pages.next()? {
        Some(page) if page.at == 0 => page,
        Some(_) => return Err("is damaged: its first Ogg page has a wrong checksum".to_owned()),
        None => return Err("the Opus header is truncated or damaged".to_owned()),
    };
    if !first.is_first() || first.packets() != 1 {
        return Err("is damaged: its first Ogg page is none of a header".to_owned());
    }
    let mut packets = Packets {
        serial: first.serial,
        pages,
        stream: Stream::default(),
        queue: VecDeque::new(),
        is_over: false,
        page_is_last: first.is_last(),
        position: 0,
        page_position: 0,
    };
    packets.stream.push(&first)?;
    let header = match packets.stream.pop() {
        Some(Item::Packet(packet)) => Header::parse(&packet.bytes)?,
        _ => return Err("the Opus header is truncated or damaged".to_owned()),
    };
    packets.skip_comments()?;
    let start = packets.find_start()?;

    let decoder = Decoder::new(header.rate(), &header.channels, header.gain).ok_or_else(|| {
        format!(
            "is damaged: its Opus header states {} channel(s) that its {} stream(s) do not have",
            header.channels.mapping.len(),
            header.channels.streams
        )
    })?;
    let factor = u64::from(header.factor);
    // As in libsndfile, positions go round at 2^64.
    let begin = start.wrapping_add(header.pre_skip.into());
    let (end, page_is_last) = packets.pages.end_of(packets.serial)?;
    packets.page_is_last = page_is_last;
    let left = end.map_or(u64::MAX, |end| end.wrapping_sub(begin));
    if end.is_some() && left.cast_signed() < 0 {
        return Err(format!(
            "contains no samples: it ends at sample {}, and its pre-skip at {begin}",
            end.unwrap_or_default()
        ));
    }
    if u64::from(header.pre_skip) > LONGEST_PREROLL {
        packets.skip_to(begin)?;
    }
    let skipped = (begin / factor).saturating_sub(packets.position / factor);
    let format = Format {
        container: "Ogg",
        encoding: "Opus",
        channels: header.channels.mapping.len(),
        sample_rate: POSITION_RATE / header.factor,
    };
    let sound = Sound {
        packets,
        decoder,
        rate: format.sample_rate as usize,
        factor,
        channels: format.channels,
        longest: format.sample_rate as usize / 50,
        skipped,
        left: left / factor,
    };
    Ok((format, Box::new(sound)))
}

/// What the first packet says (RFC 7845, section 5.1).
#[derive(Debug, PartialEq)]
struct Header {
    channels: Channels,
    /// Samples at 48 kHz to leave out at the beginning.
    pre_skip: u16,
    /// 48 kHz divided by the rate to decode at.
    factor: u32,
    /// 1/256 dB.
    gain: i16,
}

impl Header {
    fn parse(packet: &[u8]) -> Result<Self, String> {
        const CUT: &str = "the Opus header is truncated";
        let byte = |at: usize| packet.get(at).copied().ok_or(CUT);
        let version = byte(8)?;
        if version > 1 {
            return Err(unreadable(format!(
                "an Opus file of an unsupported version ({version})"
            )));
        }
        let count = byte(9)?;
        let pre_skip = Order::Little.u16(packet, 10).ok_or(CUT)?;
        let rate = Order::Little.u32(packet, 12).ok_or(CUT)?;
        let gain = Order::Little.u16(packet, 16).ok_or(CUT)?;
        let family = byte(18)?;
        if count == 0 {
            return Err("the Opus header states no channels".to_owned());
        }
        let most = match family {
            MONO_OR_STEREO => 2,
            SURROUND => 8,
            _ => u8::MAX,
        };
        if count > most {
            return Err(format!(
                "the Opus header states {count} channels; its channel mapping family {family} has \
                 at most {most}"
            ));
        }
        let (channels, end) = if family == MONO_OR_STEREO {
            let channels = Channels {
                streams: 1,
                coupled: count - 1,
                mapping: (0..count).collect(),
            };
            (channels, 19)
        } else {
            let end = 21 + usize::from(count);
            let channels = Channels {
                streams: byte(19)?,
                coupled: byte(20)?,
                mapping: packet.get(21..end).ok_or(CUT)?.to_vec(),
            };
            (channels, end)
        };
        if packet.len() > end {
            // Such as the matrix of family 3.
            return Err(unreadable(format!(
                "an Opus file of an unsupported channel mapping (family {family}, a header of {} \
                 bytes)",
                packet.len()
            )));
        }
        Ok(Self {
            channels,
            pre_skip,
            factor: match rate.cast_signed() {
                24_001.. => 1,
                16_001.. => 2,
                12_001.. => 3,
                8001.. => 4,
                _ => 6,
            },
            gain: gain.cast_signed(),
        })
    }

    /// The rate to decode at, Hz.
    fn rate(&self) -> i32 {
        (POSITION_RATE / self.factor).cast_signed()
    }
}

/// The packets of the sound, and where in it they stand.
struct Packets {
    pages: Pages,
    serial: u32,
    stream: Stream,
    /// Packets of the present page.
    queue: VecDeque<Packet>,
    /// The stream's last page was read.
    is_over: bool,
    page_is_last: bool,
    /// Where the next packet begins, in samples at 48 kHz.
    position: u64,
    /// Where the present page's last packet ends.
    page_position: u64,
}

impl Packets {
    /// Takes the stream's next page; `None` at its end.
    fn next_page(&mut self) -> Result<Option<()>, String> {
        if self.is_over {
            return Ok(None);
        }
        let is_ours = |page: &Page| page.serial == self.serial;
        let page = loop {
            match self.pages.next()? {
                Some(page) if is_ours(&page) => break page,
                Some(_) => {}
                None => {
                    self.is_over = true;
                    return Ok(None);
                }
            }
        };
        self.is_over = page.is_last();
        self.page_is_last = page.is_last();
        self.stream.push(&page).map(Some)
    }

    /// Leaves out the packet of comments, which is the second one.
    fn skip_comments(&mut self) -> Result<(), String> {
        let packet = loop {
            if let Some(Item::Packet(packet)) = self.stream.pop() {
                break packet;
            }
            if self.next_page()?.is_none() {
                return Err("the Opus file ends before its comments and its sound".to_owned());
            }
        };
        if !packet.bytes.starts_with(b"OpusTags") {
            return Err("is damaged: the Opus header is not followed by its comments".to_owned());
        }
        comments_are_whole(&packet.bytes)
            .then_some(())
            .ok_or_else(|| "is damaged: the comments of the Opus file are truncated".to_owned())
    }

    /// Fills the queue with the packets that end on the next page; `None` at the end.
    fn fill(&mut self) -> Result<Option<()>, String> {
        let mut is_hole = false;
        while self.queue.is_empty() {
            while let Some(item) = self.stream.pop() {
                match item {
                    Item::Packet(packet) => self.queue.push_back(packet),
                    Item::Hole => is_hole = true,
                }
            }
            if self.queue.is_empty() && self.next_page()?.is_none() {
                return Ok(None);
            }
        }
        let end = self.queue.back().map_or(0, |packet| packet.position);
        self.position = if is_hole {
            end.wrapping_sub(self.duration())
        } else {
            self.page_position
        };
        self.page_position = end;
        Ok(Some(()))
    }

    /// How long the packets of the queue last, in samples at 48 kHz.
    fn duration(&self) -> u64 {
        self.queue.iter().filter_map(duration).sum()
    }

    /// Reads the first page of sound, and says where the sound begins.
    fn find_start(&mut self) -> Result<u64, String> {
        let _ = self.fill()?;
        let (duration, end) = (self.duration(), self.page_position);
        if duration == 0 {
            return Err("contains no samples".to_owned());
        }
        match (self.page_is_last, end.checked_sub(duration)) {
            (false, Some(start)) => self.position = start,
            (true, None | Some(0)) => {}
            (false, None) => {
                return Err(format!(
                    "is damaged: its first page of sound ends at sample {end} and has {duration}"
                ));
            }
            (true, Some(_)) => {
                return Err(format!(
                    "is damaged: its only page of sound ends at sample {end} and has {duration}, \
                     which does not say where it begins"
                ));
            }
        }
        Ok(self.position)
    }

    /// Leaves out the packets before the one in which `target` is.
    fn skip_to(&mut self, target: u64) -> Result<(), String> {
        while self.page_position < target {
            self.queue.clear();
            if self.fill()?.is_none() {
                return Ok(());
            }
        }
        while let Some(end) = self
            .queue
            .front()
            .and_then(duration)
            .map(|samples| self.position.wrapping_add(samples))
            .filter(|&end| end < target)
        {
            self.queue.pop_front();
            self.position = end;
        }
        Ok(())
    }
}

/// How long a packet says it lasts, in samples at 48 kHz.
fn duration(packet: &Packet) -> Option<u64> {
    opus_packet::frames(&packet.bytes, POSITION_RATE as usize).map(|samples| samples as u64)
}

/// Whether all that the comments state is there. libsndfile refuses the file otherwise.
fn comments_are_whole(packet: &[u8]) -> bool {
    let number = |at: usize| Order::Little.u32(packet, at).map(|n| n as usize);
    let text = |at: usize| Some(at + 4 + number(at)?).filter(|&end| end <= packet.len());
    let Some((mut at, count)) = text(8).and_then(|at| Some((at + 4, number(at)?))) else {
        return false;
    };
    // Each takes four bytes, so that a count that cannot be right ends soon.
    (0..count).all(|_| match text(at) {
        Some(end) => {
            at = end;
            true
        }
        None => false,
    })
}

struct Sound {
    packets: Packets,
    decoder: Decoder,
    /// Hz.
    rate: usize,
    /// 48 kHz divided by the rate.
    factor: u64,
    channels: usize,
    /// Frames of the longest packet yet, at least 20 ms. An empty packet lasts as long.
    longest: usize,
    /// Frames yet to be left out.
    skipped: u64,
    /// Frames yet to be given.
    left: u64,
}

impl Decode for Sound {
    fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, String> {
        if self.left == 0 {
            return Ok(false);
        }
        let begin = samples.len();
        let Some(frames) = self.decode(samples)? else {
            return Ok(false);
        };
        let skipped = self.skipped.min(frames);
        let given = (frames - skipped).min(self.left);
        self.skipped -= skipped;
        self.left -= given;
        let count = |frames: u64| usize::try_from(frames).unwrap_or_default() * self.channels;
        samples.truncate(begin + count(skipped + given));
        samples.drain(begin..begin + count(skipped));
        Ok(true)
    }
}

impl Sound {
    /// Appends a packet, and says how many of its frames belong to the sound; `None` at the end.
    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<Option<u64>, String> {
        let packets = &mut self.packets;
        if packets.queue.is_empty() && packets.fill()?.is_none() {
            return Ok(None);
        }
        let Some(Packet { bytes, .. }) = packets.queue.pop_front() else {
            return Ok(None);
        };
        let mut decoded = self.decoder.decode(&bytes, self.longest, samples);
        if decoded == Err(Failure::TooLong)
            && let Some(frames) = opus_packet::frames(&bytes, self.rate)
        {
            self.longest = frames;
            decoded = self.decoder.decode(&bytes, frames, samples);
        }
        let seconds = packets.position as f64 / f64::from(POSITION_RATE);
        let frames = decoded.map_err(|failure| match failure {
            Failure::MadeUp => unreadable(format!(
                "an Opus file with a gap in its speech at {seconds:.3} s (a pause that its encoder \
                 left out, or a cut), which is not filled here as the reference fills it"
            )),
            Failure::TooLong | Failure::Damaged => {
                format!("cannot be decoded: its Opus packet at {seconds:.3} s is damaged")
            }
        })? as u64;
        let end = packets.position.wrapping_add(frames * self.factor);
        let frames = if end <= packets.page_position {
            frames
        } else if packets.page_is_last {
            let there = packets.page_position.saturating_sub(packets.position);
            (there / self.factor).min(frames)
        } else {
            return Err(format!(
                "is damaged: an Ogg page says that it ends at {:.3} s, and has packets to {:.3} s",
                packets.page_position as f64 / f64::from(POSITION_RATE),
                end as f64 / f64::from(POSITION_RATE)
            ));
        };
        packets.position = end;
        Ok(Some(frames))
    }
}
