//! Weights in 4 bit.

use std::marker::PhantomData;

use half::bf16;
use pulp::NullaryFnOnce;

use crate::cpu::Cpu;
use crate::float32::{Expand, widest};
use crate::panel::{PANEL, PanelRow, pack};
use crate::rows::nearest;
use crate::source::Source;
use crate::unpack::{Expansion, Nibbles, OneRow};

/// Inputs that share a scale.
pub(crate) const BLOCK: usize = 32;
/// Words of a block.
pub(crate) const BLOCK_WORDS: usize = BLOCK / 8;
/// Stored values are this much above the weight that they stand for, so that they have no sign.
pub(crate) const OFFSET: i32 = 8;

/// Weights of eight inputs in a word, [panel, block, word], and a scale for each block and output.
/// Byte `i` of a word holds input `i` in its lower half, and input `i + 4` in its upper half, so that
/// either half of all bytes is four successive inputs.
#[derive(Debug)]
pub(crate) struct Panels {
    blocks: Vec<Block>,
    /// Blocks of an output.
    length: usize,
}

/// What is stored of the weights of 32 inputs and 16 outputs: whole, so that it is read in one
/// stream.
#[derive(Clone, Debug)]
#[repr(C, align(32))]
pub(crate) struct Block {
    pub(crate) words: [[u32; PANEL]; BLOCK_WORDS],
    /// The upper halves of float32.
    pub(crate) scales: [u16; PANEL],
}

impl Block {
    const EMPTY: Self = Self {
        words: [[0x8888_8888; PANEL]; BLOCK_WORDS],
        scales: [0; PANEL],
    };

    #[inline(always)]
    fn scales(&self) -> [f32; PANEL] {
        self.scales.map(widened)
    }
}

#[inline(always)]
fn widened(scale: u16) -> f32 {
    f32::from_bits(u32::from(scale) << 16)
}

impl Panels {
    pub(crate) fn new(weight: Source<'_>, inputs: usize) -> Self {
        let outputs = weight.len() / inputs.max(1);
        let length = inputs.div_ceil(BLOCK);
        let mut blocks = vec![Block::EMPTY; outputs.div_ceil(PANEL) * length];
        pack(weight, inputs, &mut blocks, length, |weight, blocks| {
            pulp::Arch::new().dispatch(Rounded {
                weight,
                inputs,
                blocks,
            });
        });
        Self { blocks, length }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.blocks[..])
    }

    /// The blocks of a panel.
    pub(crate) fn panel(&self, panel: usize) -> &[Block] {
        &self.blocks[panel * self.length..][..self.length]
    }

    /// Blocks of an output.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

/// Rounds the weights of a panel.
struct Rounded<'a> {
    weight: &'a [f32],
    inputs: usize,
    blocks: &'a mut [Block],
}

impl NullaryFnOnce for Rounded<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (o, weight) in self.weight.chunks_exact(self.inputs).enumerate() {
            for (block, weight) in self.blocks.iter_mut().zip(weight.chunks(BLOCK)) {
                let mut padded = [0f32; BLOCK];
                padded[..weight.len()].copy_from_slice(weight);
                let scale = scale(&padded);
                let inverse = inverse(scale);
                let values = padded.map(|x| (steps(x, inverse) + OFFSET) as u32);
                block.scales[o] = scale;
                for (words, values) in block.words.iter_mut().zip(values.as_chunks::<8>().0) {
                    words[o] = word(values);
                }
            }
        }
    }
}

/// How much smaller than the largest weight the largest step may be: cutting it off can leave the
/// others with less error.
const CUTS: [f32; 4] = [1.0, 0.94, 0.88, 0.82];

/// The step of a block that leaves the least squared error, of those that are tried.
#[inline(always)]
fn scale(weights: &[f32; BLOCK]) -> u16 {
    let (mut most, mut least) = (0f32, 0f32);
    for &x in weights {
        most = if x > most { x } else { most };
        least = if x < least { x } else { least };
    }
    let largest = if most > -least { most } else { least };
    let mut best = (f32::INFINITY, 0);
    // There are eight steps on one side of zero and seven on the other.
    for full in [largest / -8.0, largest / 7.0] {
        for cut in CUTS {
            let scale = bf16::from_f32(full * cut).to_bits();
            let error = squared_error(weights, scale);
            if error < best.0 {
                best = (error, scale);
            }
        }
    }
    best.1
}

#[inline(always)]
fn squared_error(weights: &[f32; BLOCK], scale: u16) -> f32 {
    let (step, inverse) = (widened(scale), inverse(scale));
    let mut sums = [0f32; PANEL];
    for half in weights.as_chunks::<PANEL>().0 {
        for i in 0..PANEL {
            let error = half[i] - steps(half[i], inverse) as f32 * step;
            sums[i] += error * error;
        }
    }
    sums.iter().sum()
}

#[inline(always)]
fn inverse(scale: u16) -> f32 {
    let scale = widened(scale);
    if scale != 0.0 { scale.recip() } else { 0.0 }
}

/// A weight in steps, from -8 to 7.
#[inline(always)]
fn steps(weight: f32, inverse: f32) -> i32 {
    nearest((weight * inverse).clamp(-8.0, 7.0))
}

#[inline(always)]
fn word(values: &[u32; 8]) -> u32 {
    let mut word = 0;
    for i in 0..4 {
        word |= (values[i] | values[i + 4] << 4) << (8 * i);
    }
    word
}

impl Expand for Panels {
    const EXPANDS: bool = true;

    fn rows<'a>(
        &'a self,
        panel: usize,
        from: usize,
        to: usize,
        scratch: &'a mut [PanelRow],
    ) -> &'a [PanelRow] {
        const { assert!(crate::float32::RUN.is_multiple_of(BLOCK)) };
        let blocks = &self.panel(panel)[from / BLOCK..to.div_ceil(BLOCK)];
        for (scratch, block) in scratch.chunks_mut(BLOCK).zip(blocks) {
            pulp::Arch::new().dispatch(Expansion {
                words: &block.words,
                scales: Some(&block.scales()),
                scratch,
                layout: PhantomData::<Nibbles>,
            });
        }
        &scratch[..to - from]
    }

    fn one_row(&self, panel: usize, x: &[f32], cpu: Cpu) -> Option<[f32; PANEL]> {
        let blocks = self.panel(panel).iter();
        Some(widest(
            cpu,
            OneRow {
                blocks: blocks.map(|block| (&block.words[..], Some(block.scales()))),
                block: BLOCK,
                x,
                layout: PhantomData::<Nibbles>,
            },
        ))
    }
}
