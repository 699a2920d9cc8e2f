//! What an Opus packet says of itself, before it is decoded (RFC 6716, section 3 and appendix B).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

/// The most that a packet lasts, in units of 2.5 ms.
const LONGEST: usize = 48;

/// The frames at `sample_rate` Hz that a packet lasts, at most 120 ms; `None` if it is damaged.
pub(super) fn frames(packet: &[u8], sample_rate: usize) -> Option<usize> {
    let (&toc, rest) = packet.split_first()?;
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(rest.first()? & 63),
    };
    let units = count * Toc(toc).units();
    (units <= LONGEST).then_some(units * sample_rate / 400)
}

/// A packet's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Toc(u8);

impl Toc {
    /// Whether the speech coder SILK has a part in it, alone or below the other.
    fn is_speech(self) -> bool {
        self.0 >> 3 < 16
    }

    /// What one of its frames lasts, in units of 2.5 ms.
    fn units(self) -> usize {
        match (self.0 >> 3, self.0 >> 3 & 3) {
            (0..12, 3) => 24,
            (0..12, size) => 4 << size,
            (12..16, size) => 4 << (size & 1),
            (_, size) => 1 << size,
        }
    }
}

/// One stream's part of a packet.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub(super) is_speech: bool,
    /// Bytes of each frame; one of none or one was left out by the encoder.
    pub(super) sizes: Vec<usize>,
}

/// The parts of a packet of so many streams; `None` if it is damaged.
pub(super) fn parts(packet: &[u8], streams: usize) -> Option<Vec<Part>> {
    let mut rest = Bytes(packet);
    (1..=streams)
        .map(|number| rest.part(number == streams))
        .collect()
}

/// Bytes yet to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<usize> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.into())
    }

    /// A frame's size.
    fn size(&mut self) -> Option<usize> {
        match self.byte()? {
            short @ 0..252 => Some(short),
            long => Some(long + 4 * self.byte()?),
        }
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    /// The next part. The last one's last frame has all that is left, that of another its own size.
    fn part(&mut self, is_last: bool) -> Option<Part> {
        let (&toc, rest) = self.0.split_first()?;
        self.0 = rest;
        let (mut count, mut is_equal, mut padding) = (1, true, 0);
        match toc & 3 {
            0 => {}
            1 => count = 2,
            2 => (count, is_equal) = (2, false),
            _ => {
                let flags = self.byte()?;
                (count, is_equal) = (flags & 63, flags & 128 == 0);
                if flags & 64 != 0 {
                    while self.0.first() == Some(&255) {
                        padding += 254;
                        self.skip(1)?;
                    }
                    padding += self.byte()?;
                }
            }
        }
        let before = count.checked_sub(1)?;
        let mut sizes = Vec::new();
        if !is_equal {
            for _ in 0..before {
                sizes.push(self.size()?);
            }
        }
        let there = |rest: &Self, sizes: &[usize]| {
            rest.0
                .len()
                .checked_sub(padding + sizes.iter().sum::<usize>())
        };
        let last = match (is_last, is_equal) {
            (false, _) => self.size()?,
            (true, true) => there(self, &sizes)? / count,
            (true, false) => there(self, &sizes)?,
        };
        sizes.resize(count, last);
        self.skip(sizes.iter().sum::<usize>() + padding)?;
        Some(Part {
            is_speech: Toc(toc).is_speech(),
            sizes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_lasts_as_its_first_bytes_say() {
        let ms = |packet: &[u8]| frames(packet, 48_000).map(|frames| frames as f64 / 48.0);
        // The 32 configurations of the RFC's table 2.
        let one: Vec<_> = (0..32).map(|n| ms(&[n << 3]).unwrap()).collect();
        assert_eq!(one[..12], [10.0, 20.0, 40.0, 60.0].repeat(3));
        assert_eq!(one[12..16], [10.0, 20.0, 10.0, 20.0]);
        assert_eq!(one[16..], [2.5, 5.0, 10.0, 20.0].repeat(4));
        assert_eq!(ms(&[0x09]), Some(40.0));
        assert_eq!(ms(&[0x0b, 6]), Some(120.0));
        assert_eq!(ms(&[0x0b, 7]), None);
        assert_eq!(ms(&[0x0b]), None);
        assert_eq!(ms(&[]), None);
    }

    fn sizes(packet: &[u8]) -> Option<Vec<usize>> {
        Some(parts(packet, 1)?.pop()?.sizes)
    }

    #[test]
    fn the_sizes_of_frames_are_found_in_each_of_the_four_codes() {
        assert_eq!(sizes(&[0x08, 1, 2, 3]), Some(vec![3]));
        assert_eq!(sizes(&[0x08]), Some(vec![0]));
        assert_eq!(sizes(&[0x09, 1, 2, 3, 4]), Some(vec![2, 2]));
        assert_eq!(sizes(&[0x0a, 1, 9, 9, 9]), Some(vec![1, 2]));
        assert_eq!(sizes(&[0x0a, 5, 9]), None);
        let long = [&[0x0a, 252, 1][..], &[0; 260]].concat();
        assert_eq!(sizes(&long), Some(vec![256, 4]));
        assert_eq!(sizes(&[0x0b, 2, 1, 2, 3, 4]), Some(vec![2, 2]));
        assert_eq!(sizes(&[0x0b, 0x83, 0, 1, 7, 7, 7]), Some(vec![0, 1, 2]));
        assert_eq!(sizes(&[0x0b, 0x41, 2, 7, 0, 0]), Some(vec![1]));
        assert_eq!(sizes(&[0x0b, 0x41, 9, 7]), None);
        assert_eq!(sizes(&[0x0b, 0]), None);
        assert_eq!(sizes(&[]), None);
    }

    #[test]
    fn each_stream_but_the_last_says_where_it_ends() {
        let packet = [0x08, 2, 9, 9, 0xf8, 5, 5, 5];
        let expected =
            [(true, vec![2]), (false, vec![3])].map(|(is_speech, sizes)| Part { is_speech, sizes });
        assert_eq!(parts(&packet, 2).unwrap(), expected);
        assert_eq!(parts(&packet, 3), None);
    }
}
