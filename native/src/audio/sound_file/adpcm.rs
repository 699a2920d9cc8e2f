//! Blocks of four-bit differences: Microsoft's, and the IMA's in wav and AIFF files.
//!
//! Written by hand because decoders differ in their rounding, and a prompt's speech tokens follow
//! from its samples: these sum as libsndfile does, to the last bit.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adpcm {
    Microsoft,
    ImaWav,
    /// Apple's; a block belongs to one channel.
    ImaAiff,
}

/// Bytes and frames of an AIFF file's block.
pub(super) const AIFF_BLOCK: (usize, usize) = (34, 64);

impl Adpcm {
    /// The name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Microsoft => "Microsoft ADPCM",
            Self::ImaWav | Self::ImaAiff => "IMA ADPCM",
        }
    }

    /// The frames that a block of `bytes` bytes holds, per channel; `None` if it is too small.
    pub(super) fn frames(self, bytes: usize, channels: usize) -> Option<usize> {
        let (header, first) = match self {
            Self::Microsoft => (7, 2),
            Self::ImaWav => (4, 1),
            Self::ImaAiff => return (bytes == AIFF_BLOCK.0 * channels).then_some(AIFF_BLOCK.1),
        };
        let data = bytes.checked_sub(header * channels)?;
        // The samples of an IMA block stand in groups of eight.
        let group = if self == Self::ImaWav { 4 } else { 1 };
        (data % (group * channels) == 0).then_some(2 * data / channels + first)
    }

    /// Decodes a block into interleaved 16-bit samples. Its size is one that [`Self::frames`]
    /// accepts.
    pub(super) fn decode(self, block: &[u8], channels: usize) -> Vec<i16> {
        match self {
            Self::Microsoft => microsoft(block, channels),
            Self::ImaWav => ima_wav(block, channels),
            Self::ImaAiff => ima_aiff(block, channels),
        }
    }
}

fn clamp(sample: i32) -> i16 {
    let nearest = if sample < 0 { i16::MIN } else { i16::MAX };
    i16::try_from(sample).unwrap_or(nearest)
}

/// The lower 16 bits.
fn wrap(number: i32) -> i16 {
    let [low, high, ..] = number.to_le_bytes();
    i16::from_le_bytes([low, high])
}

/// The entry of a table that has one for every index in use.
fn entry(table: &[i32], index: usize) -> i32 {
    table.get(index).copied().unwrap_or_default()
}

/// The four-bit codes of each byte, the lower one first.
fn low_first(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|&byte| [byte & 15, byte >> 4])
}

/// The samples of one channel among `channels`.
fn one_channel(
    interleaved: &mut [i16],
    channel: usize,
    channels: usize,
) -> impl Iterator<Item = &mut i16> {
    interleaved.iter_mut().skip(channel).step_by(channels)
}

/// One channel of Microsoft's coding.
struct Microsoft {
    coefficients: (i32, i32),
    /// Kept in 16 bits, as in libsndfile, where it can overflow.
    delta: i16,
    /// The last sample and the one before it.
    last: [i16; 2],
}

impl Microsoft {
    fn next(&mut self, code: u8) -> i16 {
        const ADAPTATION: [i32; 16] = [
            230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230,
        ];
        let delta = i32::from(self.delta);
        let adapted = (entry(&ADAPTATION, usize::from(code & 15)) * delta) >> 8;
        self.delta = wrap(adapted).max(16);
        let signed = i32::from(code & 15) - if code & 8 == 0 { 0 } else { 16 };
        let [one, two] = self.last.map(i32::from);
        let predicted = (one * self.coefficients.0 + two * self.coefficients.1) >> 8;
        let sample = clamp(signed * delta + predicted);
        self.last = [sample, self.last[0]];
        sample
    }
}

fn microsoft(block: &[u8], channels: usize) -> Vec<i16> {
    const COEFFICIENTS: [(i32, i32); 7] = [
        (256, 0),
        (512, -256),
        (0, 0),
        (192, 64),
        (240, 0),
        (460, -208),
        (392, -232),
    ];
    let Some((header, codes)) = block.split_at_checked(7 * channels) else {
        return Vec::new();
    };
    let (predictors, words) = header.split_at(channels);
    let words = words.as_chunks().0.iter().copied().map(i16::from_le_bytes);
    // All channels' deltas, then their last samples, then those before.
    let (deltas, last) = (words.clone(), words.clone().skip(channels));
    let before = words.skip(2 * channels);
    let mut state: Vec<_> = predictors
        .iter()
        .zip(deltas.zip(last.zip(before)))
        .map(|(&predictor, (delta, (last, before)))| Microsoft {
            coefficients: *COEFFICIENTS
                .get(usize::from(predictor))
                .unwrap_or(&COEFFICIENTS[0]),
            delta,
            last: [last, before],
        })
        .collect();
    let mut samples = Vec::with_capacity(2 * (channels + codes.len()));
    samples.extend(state.iter().map(|s| s.last[1]));
    samples.extend(state.iter().map(|s| s.last[0]));
    let codes = codes.iter().flat_map(|&byte| [byte >> 4, byte & 15]);
    for (code, channel) in codes.zip((0..channels).cycle()) {
        samples.extend(state.get_mut(channel).map(|state| state.next(code)));
    }
    samples
}

/// One channel of the IMA's coding.
struct Ima {
    sample: i16,
    /// At most 88.
    index: usize,
}

impl Ima {
    fn new(sample: i16, index: u8) -> Self {
        Self {
            sample,
            index: usize::from(index).min(88),
        }
    }

    fn next(&mut self, code: u8) -> i16 {
        let step = entry(&STEPS, self.index);
        self.index = match code & 7 {
            0..=3 => self.index.saturating_sub(1),
            loud => (self.index + 2 * usize::from(loud - 3)).min(88),
        };
        let part = |bit: u8, shift: i32| if code & bit == 0 { 0 } else { step >> shift };
        let size = (step >> 3) + part(1, 2) + part(2, 1) + part(4, 0);
        let difference = if code & 8 == 0 { size } else { -size };
        self.sample = clamp(i32::from(self.sample) + difference);
        self.sample
    }
}

fn ima_wav(block: &[u8], channels: usize) -> Vec<i16> {
    let Some((header, groups)) = block.split_at_checked(4 * channels) else {
        return Vec::new();
    };
    let mut state: Vec<_> = header
        .as_chunks()
        .0
        .iter()
        .map(|&[low, high, index, _]| Ima::new(i16::from_le_bytes([low, high]), index))
        .collect();
    let mut samples: Vec<_> = state.iter().map(|ima| ima.sample).collect();
    samples.resize(channels + 2 * groups.len(), 0);
    // Eight samples of the first channel, eight of the next, and so on.
    let (_, rest) = samples.split_at_mut(channels);
    let blocks = groups.chunks_exact(4 * channels);
    for (block, samples) in blocks.zip(rest.chunks_exact_mut(8 * channels)) {
        for (channel, (group, ima)) in block.chunks_exact(4).zip(&mut state).enumerate() {
            let slots = one_channel(samples, channel, channels);
            for (slot, code) in slots.zip(low_first(group)) {
                *slot = ima.next(code);
            }
        }
    }
    samples
}

fn ima_aiff(block: &[u8], channels: usize) -> Vec<i16> {
    let mut samples = vec![0; AIFF_BLOCK.1 * channels];
    let blocks = block.as_chunks::<{ AIFF_BLOCK.0 }>().0;
    for (channel, [high, low, codes @ ..]) in blocks.iter().enumerate() {
        let mut ima = Ima::new(i16::from_be_bytes([*high, low & 0x80]), low & 0x7f);
        let slots = one_channel(&mut samples, channel, channels);
        for (slot, code) in slots.zip(low_first(codes)) {
            *slot = ima.next(code);
        }
    }
    samples
}

#[rustfmt::skip]
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66,
    73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449,
    494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272,
    2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442,
    11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_block_gives_its_frames() {
        assert_eq!(Adpcm::Microsoft.frames(256, 1), Some(500));
        assert_eq!(Adpcm::ImaWav.frames(512, 2), Some(505));
        assert_eq!(Adpcm::ImaAiff.frames(68, 2), Some(64));
        assert_eq!(Adpcm::Microsoft.frames(6, 1), None);
        assert_eq!(Adpcm::ImaWav.frames(0, 2), None);
        assert_eq!(Adpcm::ImaWav.frames(11, 1), None);
    }

    #[test]
    fn any_block_decodes_to_its_frames() {
        for byte in 0..=255 {
            for (coding, bytes) in [
                (Adpcm::Microsoft, 40),
                (Adpcm::ImaWav, 40),
                (Adpcm::ImaAiff, 68),
            ] {
                let samples = coding.decode(&vec![byte; bytes], 2);
                assert_eq!(
                    Some(samples.len() / 2),
                    coding.frames(bytes, 2),
                    "{coding:?}"
                );
            }
        }
    }
}
