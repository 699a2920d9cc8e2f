//! Rows of inputs in the formats that processors multiply.

use half::bf16;
use pulp::NullaryFnOnce;
use rayon::prelude::*;

/// Rows in bfloat16, padded with zeros to whole words, and to a multiple of `tile` rows:
/// [rows, words].
pub(crate) fn in_bf16(
    x: &[f32],
    inputs: usize,
    words: usize,
    tile: usize,
    parallel: bool,
) -> Vec<u32> {
    let mut out = vec![0; (x.len() / inputs).next_multiple_of(tile) * words];
    let round = |(words, x): (&mut [u32], &[f32])| {
        pulp::Arch::new().dispatch(RoundRow { x, words });
    };
    if parallel {
        out.par_chunks_mut(words)
            .zip(x.par_chunks(inputs))
            .for_each(round);
    } else {
        out.chunks_mut(words).zip(x.chunks(inputs)).for_each(round);
    }
    out
}

struct RoundRow<'a> {
    x: &'a [f32],
    words: &'a mut [u32],
}

impl NullaryFnOnce for RoundRow<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (pairs, rest) = self.x.as_chunks::<2>();
        for (word, &[first, second]) in self.words.iter_mut().zip(pairs) {
            *word = bf16_bits(first) | bf16_bits(second) << 16;
        }
        if let (&[last], Some(word)) = (rest, self.words.last_mut()) {
            *word = bf16_bits(last);
        }
    }
}

/// Rounded to even. NaN stays NaN.
#[inline(always)]
fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let nan = u32::from(bf16::NAN.to_bits());
    if x.is_nan() { nan } else { rounded }
}

/// Rows in 8 bit with a sign, a scale for each block.
pub(crate) struct Bytes {
    /// [rows, words], four inputs in a word.
    pub(crate) words: Vec<u32>,
    /// [rows, blocks].
    pub(crate) scales: Vec<f32>,
    /// Sums of the bytes of each block, [rows, blocks].
    pub(crate) sums: Vec<i32>,
}

/// Rounds rows to 8 bit, in blocks of `block` inputs, and pads them with zeros to whole words, and to
/// a multiple of `tile` rows. A block with a value that is not finite gets a
/// scale of NaN, so that it is not lost.
pub(crate) fn in_bytes(
    x: &[f32],
    inputs: usize,
    (words, block): (usize, usize),
    tile: usize,
    parallel: bool,
) -> Bytes {
    let (rows, blocks) = (x.len() / inputs, inputs.div_ceil(block));
    let mut out = Bytes {
        words: vec![0; rows.next_multiple_of(tile) * words],
        scales: vec![0.0; rows * blocks],
        sums: vec![0; rows * blocks],
    };
    let round = |x: &[f32], words: &mut [u32], scales: &mut [f32], sums: &mut [i32]| {
        let blocks = x.chunks(block).zip(words.chunks_mut(block / 4));
        for (((x, words), scale), sum) in blocks.zip(scales).zip(sums) {
            (*scale, *sum) = pulp::Arch::new().dispatch(RoundBlock { x, words });
        }
    };
    let one = |((x, words), (scales, sums))| round(x, words, scales, sums);
    if parallel {
        let x = x.par_chunks(inputs).zip(out.words.par_chunks_mut(words));
        let scales = out.scales.par_chunks_mut(blocks);
        x.zip(scales.zip(out.sums.par_chunks_mut(blocks)))
            .for_each(one);
    } else {
        let x = x.chunks(inputs).zip(out.words.chunks_mut(words));
        let scales = out.scales.chunks_mut(blocks);
        x.zip(scales.zip(out.sums.chunks_mut(blocks))).for_each(one);
    }
    out
}

struct RoundBlock<'a> {
    x: &'a [f32],
    words: &'a mut [u32],
}

impl NullaryFnOnce for RoundBlock<'_> {
    type Output = (f32, i32);

    #[inline(always)]
    fn call(self) -> (f32, i32) {
        round_block(self.x, self.words)
    }
}

#[inline(always)]
fn round_block(x: &[f32], words: &mut [u32]) -> (f32, i32) {
    let most = largest(x);
    let mut poison = [0f32; LANES];
    for chunk in x.chunks(LANES) {
        for (poison, x) in poison.iter_mut().zip(chunk) {
            *poison += x * 0.0;
        }
    }
    let scale = most / 127.0;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let byte = |x: f32| nearest(x * inverse) as u32;
    let mut sum = 0u32;
    let (fours, rest) = x.as_chunks::<4>();
    for (word, four) in words.iter_mut().zip(fours) {
        let [a, b, c, d] = four.map(byte);
        sum = sum.wrapping_add(a).wrapping_add(b);
        sum = sum.wrapping_add(c).wrapping_add(d);
        *word = (a & 0xff) | (b & 0xff) << 8 | (c & 0xff) << 16 | d << 24;
    }
    if let (false, Some(word)) = (rest.is_empty(), words.get_mut(fours.len())) {
        *word = 0;
        for (i, &x) in rest.iter().enumerate() {
            let byte = byte(x);
            sum = sum.wrapping_add(byte);
            *word |= (byte & 0xff) << (8 * i);
        }
    }
    (scale + poison.iter().sum::<f32>(), sum as i32)
}

/// Lanes of the widest vectors.
const LANES: usize = 16;

/// The integer nearest to a small number, the even one of two.
#[inline(always)]
pub(crate) fn nearest(x: f32) -> i32 {
    // Added to a small float32, its lowest bits are those of the nearest integer.
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³
    (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

/// The largest magnitude; NaN is passed over.
#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            let size = chunk[i].abs();
            lanes[i] = if size > lanes[i] { size } else { lanes[i] };
        }
    }
    let rest = rest.iter().fold(0f32, |most, x| most.max(x.abs()));
    lanes.iter().fold(rest, |most, &lane| most.max(lane))
}

/// The rows of each tile side by side: word by word, [rows / height, words, height], with zeros for
/// rows beyond the last.
pub(crate) fn tiled(rows: &[u32], words: usize, height: usize, parallel: bool) -> Vec<u32> {
    let length = height * words;
    let tiles = rows.len().div_ceil(length);
    let mut out = vec![0; tiles * length];
    let tile = |(tile, rows): (&mut [u32], &[u32])| {
        for (r, row) in rows.chunks_exact(words).enumerate() {
            for (element, &word) in tile[r..].iter_mut().step_by(height).zip(row) {
                *element = word;
            }
        }
    };
    if parallel {
        out.par_chunks_mut(length)
            .zip(rows.par_chunks(length))
            .for_each(tile);
    } else {
        out.chunks_mut(length)
            .zip(rows.chunks(length))
            .for_each(tile);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_is_rounded_as_the_half_crate_rounds_it() {
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.003_906_2,
            1.011_718_8,
            3.4e38,
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e-40,
        ];
        for x in values {
            assert_eq!(bf16_bits(x), u32::from(bf16::from_f32(x).to_bits()), "{x}");
        }
        let nan = f32::from_bits(0x7fff_ffff);
        assert!(bf16::from_bits(bf16_bits(nan) as u16).is_nan());
    }

    #[test]
    fn bytes_stand_for_their_inputs_and_sums_are_theirs() {
        let x: Vec<f32> = (0..70).map(|i| (i as f32 * 0.7).sin()).collect();
        let bytes = in_bytes(&x, 35, (9, 32), 1, false);
        for (r, row) in x.chunks(35).enumerate() {
            let stored: Vec<i8> = bytes.words[r * 9..][..9]
                .iter()
                .flat_map(|word| word.to_le_bytes().map(|b| b as i8))
                .collect();
            for (block, x) in row.chunks(32).enumerate() {
                let scale = bytes.scales[2 * r + block];
                let stored = &stored[block * 32..][..x.len()];
                for (&x, &byte) in x.iter().zip(stored) {
                    assert!((x - f32::from(byte) * scale).abs() <= scale * 0.500_1);
                }
                let sum: i32 = stored.iter().copied().map(i32::from).sum();
                assert_eq!(bytes.sums[2 * r + block], sum);
            }
            assert_eq!(stored[35], 0);
        }
    }

    #[test]
    fn values_that_are_not_finite_stay_so() {
        for bad in [f32::NAN, f32::INFINITY] {
            let bytes = in_bytes(&[1.0, bad, 2.0, 0.0], 4, (1, 32), 1, false);
            assert!(bytes.scales[0].is_nan());
        }
    }
}
