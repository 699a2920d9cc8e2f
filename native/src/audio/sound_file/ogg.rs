//! Pages and packets of an Ogg file, as libogg finds them and libsndfile asks for them.
//!
//! Damage is stepped over as libogg does: what is no page, or a page of a wrong checksum, is left
//! out, and where a page is missing a hole is reported.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::collections::VecDeque;
use std::sync::LazyLock;

use super::fields::Order;
use super::source::Source;
use super::window::Window;

/// How a page begins.
const MARKER: &[u8] = b"OggS";
const HEADER_BYTES: usize = 27;
/// The largest page: 255 segments of 255 bytes behind its header.
const MAX_PAGE: u64 = 65_307;
/// Bytes without a page after which a file is given up.
const JUNK_BYTES: u64 = 16 << 20;
/// Bytes that are searched at a time for the last page, at first and at most.
const SEARCH_BYTES: (u64, u64) = (1 << 16, 1 << 20);
/// More than the texts and the picture in front of any sound.
const MAX_PACKET: usize = 32 << 20;
/// The position of a page on which no packet ends.
pub(super) const NO_POSITION: u64 = u64::MAX;

/// Whether a file that begins with `head` is one whose first stream begins with `marker`.
pub(super) fn begins_with(head: &[u8], marker: &[u8]) -> bool {
    let segments = head.get(HEADER_BYTES - 1).copied().map(usize::from);
    head.starts_with(MARKER)
        && segments
            .and_then(|segments| head.get(HEADER_BYTES + segments..))
            .is_some_and(|body| body.starts_with(marker))
}

/// A page, whole and with the right checksum.
#[derive(Debug)]
pub(super) struct Page {
    /// Where it stands in the file.
    pub(super) at: u64,
    version: u8,
    flags: u8,
    /// Samples up to the end of the last packet that ends here.
    pub(super) position: u64,
    pub(super) serial: u32,
    number: u32,
    /// Bytes of each segment; a packet ends with one of fewer than 255.
    segments: Vec<u8>,
    body: Vec<u8>,
}

impl Page {
    /// Begins with the rest of a packet.
    fn is_continued(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The first of its stream.
    pub(super) fn is_first(&self) -> bool {
        self.flags & 2 != 0
    }

    /// The last of its stream.
    pub(super) fn is_last(&self) -> bool {
        self.flags & 4 != 0
    }

    /// Packets that end here.
    pub(super) fn packets(&self) -> usize {
        self.segments.iter().filter(|&&bytes| bytes < 255).count()
    }

    fn parse(at: u64, bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let (segments, body) = rest.split_at_checked((*header.last()?).into())?;
        let stated = Order::Little.u32(header, 22)?;
        let of_zero = [header.get(..22)?, &[0; 4], header.get(26..)?, rest];
        (checksum(&of_zero) == stated).then_some(Self {
            at,
            version: *header.get(4)?,
            flags: *header.get(5)?,
            position: Order::Little.u64(header, 6)?,
            serial: Order::Little.u32(header, 14)?,
            number: Order::Little.u32(header, 18)?,
            segments: segments.to_vec(),
            body: body.to_vec(),
        })
    }
}

/// CRC-32 with the polynomial 0x04c11db7, the highest bit first, of the parts in a row.
fn checksum(parts: &[&[u8]]) -> u32 {
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|byte| {
            let crc = u32::try_from(byte).unwrap_or_default() << 24;
            (0..8).fold(crc, |crc, _| {
                crc << 1 ^ if crc >> 31 == 0 { 0 } else { 0x04c1_1db7 }
            })
        })
    });
    let table = &*TABLE;
    parts.iter().copied().flatten().fold(0, |crc: u32, byte| {
        let [high, ..] = crc.to_be_bytes();
        // A byte is always in the table.
        let entry = table.get(usize::from(high ^ byte));
        crc << 8 ^ entry.copied().unwrap_or_default()
    })
}

/// The pages of a file, from any place on.
pub(super) struct Pages {
    window: Window,
    at: u64,
}

impl Pages {
    pub(super) fn new(source: Source) -> Self {
        Self {
            window: Window::new(source),
            at: 0,
        }
    }

    /// The next page; `None` where the file ends, or a page that it cuts off begins.
    pub(super) fn next(&mut self) -> Result<Option<Page>, String> {
        let end = self.at.saturating_add(JUNK_BYTES);
        while self.at < end {
            let at = self.at;
            let Some(header) = self.window.get(at, HEADER_BYTES)? else {
                return Ok(None);
            };
            if header.starts_with(MARKER) {
                let segments = header.last().copied().map_or(0, usize::from);
                let table = HEADER_BYTES + segments;
                let Some(header) = self.window.get(at, table)? else {
                    return Ok(None);
                };
                let bytes = header.iter().skip(HEADER_BYTES).copied();
                let whole = table + bytes.map(usize::from).sum::<usize>();
                let Some(bytes) = self.window.get(at, whole)? else {
                    return Ok(None);
                };
                if let Some(page) = Page::parse(at, bytes) {
                    self.at += whole as u64;
                    return Ok(Some(page));
                }
            }
            let ahead = self.window.ahead(at, HEADER_BYTES)?;
            let next = ahead.iter().skip(1).position(|&byte| byte == b'O');
            self.at += next.map_or(ahead.len(), |next| next + 1) as u64;
        }
        Ok(None)
    }

    /// The position of the last page of the stream `serial` that states one, and whether the last
    /// page of all is the last of its stream. The place for the next page stays.
    pub(super) fn end_of(&mut self, serial: u32) -> Result<(Option<u64>, bool), String> {
        let there = self.at;
        let size = self.window.size();
        let (mut begin, mut end, mut step) = (size, size, SEARCH_BYTES.0);
        let (mut position, mut is_last) = (None, false);
        loop {
            begin = begin.saturating_sub(step);
            self.at = begin;
            let mut is_other = false;
            while self.at < end {
                let Some(page) = self.next()? else { break };
                is_last = page.is_last();
                if page.serial != serial {
                    is_other = true;
                } else if page.position != NO_POSITION {
                    position = Some(page.position);
                }
            }
            let searched = size - begin;
            if position.is_some() || is_other || begin == 0 || searched > JUNK_BYTES {
                break;
            }
            step = (2 * step).min(SEARCH_BYTES.1);
            end = (begin + MAX_PAGE - 1).min(size);
        }
        self.at = there;
        Ok((position, is_last))
    }
}

/// What a stream's pages bring.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Packet(Packet),
    /// A page is missing here.
    Hole,
}

#[derive(Debug, PartialEq)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    /// The page's position if this is the last packet that ends on it.
    pub(super) position: u64,
}

/// The packets of one stream, put together from its pages.
#[derive(Default)]
pub(super) struct Stream {
    expected: Option<u32>,
    items: VecDeque<Item>,
    /// The beginning of a packet that the next page continues.
    partial: Option<Vec<u8>>,
}

impl Stream {
    /// Takes the stream's next page.
    ///
    /// # Errors
    ///
    /// If the page is of a later version of the format, or the packet has no end.
    pub(super) fn push(&mut self, page: &Page) -> Result<(), String> {
        if page.version != 0 {
            return Err(format!(
                "is damaged: the Ogg page at byte {} has version {}, and there is only 0",
                page.at, page.version
            ));
        }
        if self.expected != Some(page.number) {
            self.partial = None;
            if self.expected.is_some() {
                self.items.push_back(Item::Hole);
            }
        }
        self.expected = Some(page.number.wrapping_add(1));

        // The rest of a packet whose beginning is not there is left out.
        let mut is_left_out = page.is_continued() && self.partial.is_none();
        let mut left = page.packets();
        let mut body = page.body.as_slice();
        for &segment in &page.segments {
            let Some((bytes, rest)) = body.split_at_checked(segment.into()) else {
                break;
            };
            body = rest;
            if !is_left_out {
                let partial = self.partial.get_or_insert_default();
                partial.extend_from_slice(bytes);
                if partial.len() > MAX_PACKET {
                    return Err(format!(
                        "is damaged: the Ogg page at byte {} continues a packet of more than {} MiB",
                        page.at,
                        MAX_PACKET >> 20
                    ));
                }
            }
            if segment < 255 {
                left -= 1;
                is_left_out = false;
                if let Some(bytes) = self.partial.take() {
                    let position = if left == 0 {
                        page.position
                    } else {
                        NO_POSITION
                    };
                    self.items
                        .push_back(Item::Packet(Packet { bytes, position }));
                }
            }
        }
        Ok(())
    }

    /// The next packet or hole; `None` if another page has to be taken first.
    pub(super) fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, flags: u8, segments: &[u8], byte: u8) -> Page {
        Page {
            at: 0,
            version: 0,
            flags,
            position: 100 + u64::from(number),
            serial: 7,
            number,
            segments: segments.to_vec(),
            body: vec![byte; segments.iter().copied().map(usize::from).sum()],
        }
    }

    fn packet(byte: u8, bytes: usize, position: u64) -> Item {
        let bytes = vec![byte; bytes];
        Item::Packet(Packet { bytes, position })
    }

    fn items(pages: &[Page]) -> Vec<Item> {
        let mut stream = Stream::default();
        for page in pages {
            stream.push(page).unwrap();
        }
        std::iter::from_fn(|| stream.pop()).collect()
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // RFC 3533 names the polynomial; the value of "123456789" is that of CRC-32/CKSUM without
        // its final inversion and length, computed bit by bit.
        assert_eq!(checksum(&[b"12345", b"6789"]), 0x89a1_897f);
    }

    #[test]
    fn packets_end_with_short_segments_and_only_the_last_has_the_position() {
        let pages = [page(0, 2, &[3, 255, 0, 0], b'a')];
        let expected = [
            packet(b'a', 3, NO_POSITION),
            packet(b'a', 255, NO_POSITION),
            packet(b'a', 0, 100),
        ];
        assert_eq!(items(&pages), expected);
    }

    #[test]
    fn a_packet_goes_on_over_pages() {
        let pages = [page(0, 0, &[255], b'a'), page(1, 1, &[255, 2, 4], b'a')];
        let expected = [packet(b'a', 512, NO_POSITION), packet(b'a', 4, 101)];
        assert_eq!(items(&pages), expected);
    }

    #[test]
    fn a_missing_page_is_a_hole_and_takes_the_packets_that_reach_into_it() {
        let pages = [page(0, 0, &[1, 255], b'a'), page(2, 1, &[9, 4], b'b')];
        let expected = [packet(b'a', 1, 100), Item::Hole, packet(b'b', 4, 102)];
        assert_eq!(items(&pages), expected);
    }

    #[test]
    fn a_packet_without_an_end_is_refused() {
        let mut stream = Stream::default();
        let endless = (0..600).find_map(|n| stream.push(&page(n, 1, &[255; 255], 0)).err());
        // The first page is left out: it continues what is not there.
        assert_eq!(endless, None);
        let mut stream = Stream::default();
        let endless = (0..600)
            .map(|n| page(n, u8::from(n > 0), &[255; 255], 0))
            .find_map(|page| stream.push(&page).err());
        assert!(endless.is_some_and(|reason| reason.contains("more than 32 MiB")));
    }
}
