//! Weights in 4 bit.

use std::marker::PhantomData;

use half::bf16;

use crate::cpu::Cpu;
use crate::float32::{Expand, widest};
use crate::panel::{PANEL, PanelRow, pack};
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
            for (o, weight) in weight.chunks_exact(inputs).enumerate() {
                for (block, weight) in blocks.iter_mut().zip(weight.chunks(BLOCK)) {
                    let scale = scale(weight);
                    block.scales[o] = scale;
                    for (words, weight) in block.words.iter_mut().zip(weight.chunks(8)) {
                        words[o] = word(weight, inverse(scale));
                    }
                }
            }
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

/// How much smaller than the largest weight the largest step may be: cutting it off can leave the
/// others with less error.
const CUTS: [f32; 4] = [1.0, 0.94, 0.88, 0.82];

/// The step of a block that leaves the least squared error, of those that are tried.
fn scale(weights: &[f32]) -> u16 {
    let largest = weights
        .iter()
        .fold(0f32, |most: f32, &x| if x.abs() > most.abs() { x } else { most });
    // There are eight steps on one side of zero and seven on the other.
    let full = [largest / -8.0, largest / 7.0];
    let steps = full.iter().flat_map(|full| CUTS.map(|cut| full * cut));
    let tried = steps.map(|step| {
        let scale = bf16::from_f32(step).to_bits();
        (squared_error(weights, scale), scale)
    });
    tried
        .reduce(|best, other| if other.0 < best.0 { other } else { best })
        .map_or(0, |best| best.1)
}

fn squared_error(weights: &[f32], scale: u16) -> f32 {
    let (step, inverse) = (widened(scale), inverse(scale));
    let errors = weights.iter().map(|x| x - steps(*x, inverse) * step);
    errors.map(|e| e * e).sum()
}

fn inverse(scale: u16) -> f32 {
    let scale = widened(scale);
    if scale != 0.0 { scale.recip() } else { 0.0 }
}

fn steps(weight: f32, inverse: f32) -> f32 {
    (weight * inverse).round_ties_even().clamp(-8.0, 7.0)
}

fn word(weights: &[f32], inverse: f32) -> u32 {
    let value = |i: usize| {
        let steps = weights.get(i).map_or(0.0, |&w| steps(w, inverse));
        (steps as i32 + OFFSET) as u32
    };
    (0..4).fold(0, |word, i| {
        word | (value(i) | value(i + 4) << 4) << (8 * i)
    })
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
