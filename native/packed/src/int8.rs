//! Weights in 8 bit.

use std::marker::PhantomData;

use pulp::NullaryFnOnce;

use crate::cpu::Cpu;
use crate::float32::{Expand, widest};
use crate::panel::{PANEL, PanelRow, Words, pack};
use crate::rows::nearest;
use crate::source::Source;
use crate::unpack::{Bytes, Expansion, OneRow};

/// Inputs that share a scale.
pub(crate) const BLOCK: usize = 256;
/// Words of a block.
pub(crate) const BLOCK_WORDS: usize = BLOCK / 4;
/// Stored bytes are this much above the weight that they stand for, so that they have no sign:
/// processors multiply unsigned bytes with signed ones.
pub(crate) const OFFSET: i32 = 128;

/// Weights of four inputs in a word, [panel, input / 4], and a scale for each block and output.
#[derive(Debug)]
pub(crate) struct Panels {
    words: Vec<Words>,
    /// [panel, block].
    scales: Vec<PanelRow>,
    /// Words of an output; those of the last block may be fewer.
    length: usize,
}

/// What a word holds where there are no inputs.
const NOTHING: u32 = u32::from_le_bytes([OFFSET as u8; 4]);

impl Panels {
    pub(crate) fn new(weight: Source<'_>, inputs: usize) -> Self {
        let outputs = weight.len() / inputs.max(1);
        let (length, blocks) = (inputs.div_ceil(4), inputs.div_ceil(BLOCK));
        let panels = outputs.div_ceil(PANEL);
        let mut scales = vec![PanelRow::ZERO; panels * blocks];
        let mut words = vec![Words([NOTHING; PANEL]); panels * length];
        pack(weight, inputs, &mut scales, blocks, |weight, scales| {
            pulp::Arch::new().dispatch(Scales {
                weight,
                inputs,
                scales,
            });
        });
        pack(weight, inputs, &mut words, length, |weight, words| {
            pulp::Arch::new().dispatch(Rounded {
                weight,
                inputs,
                words,
            });
        });
        Self {
            words,
            scales,
            length,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.words[..]) + size_of_val(&self.scales[..])
    }

    /// The words of a panel.
    pub(crate) fn panel(&self, panel: usize) -> &[Words] {
        &self.words[panel * self.length..][..self.length]
    }

    /// The scales of a panel, by block.
    pub(crate) fn scales(&self, panel: usize) -> &[PanelRow] {
        let blocks = self.length.div_ceil(BLOCK_WORDS);
        &self.scales[panel * blocks..][..blocks]
    }

    /// Words of an output.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

/// Finds the scales of a panel.
struct Scales<'a> {
    weight: &'a [f32],
    inputs: usize,
    scales: &'a mut [PanelRow],
}

impl NullaryFnOnce for Scales<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (o, weight) in self.weight.chunks_exact(self.inputs).enumerate() {
            for (scales, weight) in self.scales.iter_mut().zip(weight.chunks(BLOCK)) {
                scales.0[o] = scale(weight);
            }
        }
    }
}

/// Rounds the weights of a panel.
struct Rounded<'a> {
    weight: &'a [f32],
    inputs: usize,
    words: &'a mut [Words],
}

impl NullaryFnOnce for Rounded<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (o, weight) in self.weight.chunks_exact(self.inputs).enumerate() {
            let blocks = weight.chunks(BLOCK).zip(self.words.chunks_mut(BLOCK_WORDS));
            for (weight, words) in blocks {
                let inverse = inverse(scale(weight));
                let mut padded = [0f32; BLOCK];
                padded[..weight.len()].copy_from_slice(weight);
                let bytes = padded.map(|x| byte(x, inverse));
                for (words, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    words.0[o] = u32::from_le_bytes(*bytes);
                }
            }
        }
    }
}

/// What one step of 8 bit stands for, so that the largest value is 127 steps.
#[inline(always)]
fn scale(values: &[f32]) -> f32 {
    crate::rows::largest(values) / 127.0
}

#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale > 0.0 { scale.recip() } else { 0.0 }
}

#[inline(always)]
fn byte(weight: f32, inverse: f32) -> u8 {
    (nearest(weight * inverse) + OFFSET) as u8
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
        const { assert!(crate::float32::RUN == BLOCK) };
        let words = &self.panel(panel)[from / 4..to.div_ceil(4)];
        let scales = &self.scales(panel)[from / BLOCK].0;
        pulp::Arch::new().dispatch(Expansion {
            words: Words::plain(words),
            scales: Some(scales),
            scratch,
            layout: PhantomData::<Bytes>,
        });
        &scratch[..to - from]
    }

    fn one_row(&self, panel: usize, x: &[f32], cpu: Cpu) -> Option<[f32; PANEL]> {
        let words = self.panel(panel).chunks(BLOCK_WORDS).map(Words::plain);
        let scales = self.scales(panel).iter().map(|row| Some(row.0));
        Some(widest(
            cpu,
            OneRow {
                blocks: words.zip(scales),
                block: BLOCK,
                x,
                layout: PhantomData::<Bytes>,
            },
        ))
    }
}
