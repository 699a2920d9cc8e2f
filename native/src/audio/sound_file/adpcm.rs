//! Blocks of four-bit differences: Microsoft's, and the IMA's in wav and AIFF files.
//!
//! Written by hand because decoders differ in their rounding, and a prompt's speech tokens follow
//! from its samples: these sum as libsndfile does, to the last bit.

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
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
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
        let adapted = (ADAPTATION[usize::from(code & 15)] * delta) >> 8;
        self.delta = (adapted as i16).max(16);
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
    let word = |at: usize| i16::from_le_bytes([words[2 * at], words[2 * at + 1]]);
    let mut state: Vec<_> = predictors
        .iter()
        .enumerate()
        .map(|(c, &predictor)| Microsoft {
            coefficients: *COEFFICIENTS
                .get(usize::from(predictor))
                .unwrap_or(&COEFFICIENTS[0]),
            delta: word(c),
            last: [word(channels + c), word(2 * channels + c)],
        })
        .collect();
    let mut samples = Vec::with_capacity(2 * (channels + codes.len()));
    samples.extend(state.iter().map(|s| s.last[1]));
    samples.extend(state.iter().map(|s| s.last[0]));
    let codes = codes.iter().flat_map(|&byte| [byte >> 4, byte & 15]);
    for (at, code) in codes.enumerate() {
        samples.push(state[at % channels].next(code));
    }
    samples
}

/// One channel of the IMA's coding.
#[derive(Clone, Copy)]
struct Ima {
    sample: i16,
    index: i32,
}

impl Ima {
    fn new(sample: i16, index: u8) -> Self {
        Self {
            sample,
            index: i32::from(index).min(88),
        }
    }

    fn next(&mut self, code: u8) -> i16 {
        const ADAPTATION: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];
        let step = STEPS[self.index as usize];
        self.index = (self.index + ADAPTATION[usize::from(code & 7)]).clamp(0, 88);
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
        .chunks_exact(4)
        .map(|h| Ima::new(i16::from_le_bytes([h[0], h[1]]), h[2]))
        .collect();
    let frames = 1 + 2 * groups.len() / channels;
    let mut samples = vec![0; frames * channels];
    for (slot, channel) in samples.iter_mut().zip(&state) {
        *slot = channel.sample;
    }
    for (at, group) in groups.chunks_exact(4).enumerate() {
        let (channel, first) = (at % channels, 1 + at / channels * 8);
        let codes = group.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
        for (frame, code) in (first..).zip(codes) {
            samples[frame * channels + channel] = state[channel].next(code);
        }
    }
    samples
}

fn ima_aiff(block: &[u8], channels: usize) -> Vec<i16> {
    let mut samples = vec![0; AIFF_BLOCK.1 * channels];
    for (channel, block) in block.chunks_exact(AIFF_BLOCK.0).enumerate() {
        let mut ima = Ima::new(
            i16::from_be_bytes([block[0], block[1] & 0x80]),
            block[1] & 0x7f,
        );
        let codes = block[2..].iter().flat_map(|&byte| [byte & 15, byte >> 4]);
        for (frame, code) in codes.enumerate() {
            samples[frame * channels + channel] = ima.next(code);
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
