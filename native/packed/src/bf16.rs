//! Weights in bfloat16.

use std::marker::PhantomData;

use crate::cpu::Cpu;
use crate::float32::{Expand, RUN, widest};
use crate::panel::{PANEL, PanelRow, Words, pack};
use crate::rows::in_bf16;
use crate::source::Source;
use crate::unpack::{Expansion, Halves, OneRow};

/// Weights of two inputs in a word, [panel, input / 2].
#[derive(Debug)]
pub(crate) struct Panels {
    words: Vec<Words>,
    /// Words of an output.
    length: usize,
}

impl Panels {
    pub(crate) fn new(weight: Source<'_>, inputs: usize) -> Self {
        let outputs = weight.len() / inputs.max(1);
        let length = inputs.div_ceil(2);
        let mut words = vec![Words::ZERO; outputs.div_ceil(PANEL) * length];
        pack(weight, inputs, &mut words, length, |weight, panel| {
            let rows = in_bf16(weight, inputs, length, 1, false);
            // In blocks, or each read would fetch a cache line for a single element.
            for (block, panel) in panel.chunks_mut(PANEL).enumerate() {
                for (o, row) in rows.chunks_exact(length).enumerate() {
                    for (words, &word) in panel.iter_mut().zip(&row[block * PANEL..]) {
                        words.0[o] = word;
                    }
                }
            }
        });
        Self { words, length }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.words[..])
    }

    /// The words of a panel.
    pub(crate) fn panel(&self, panel: usize) -> &[Words] {
        &self.words[panel * self.length..][..self.length]
    }

    /// Words of an output.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
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
        const { assert!(RUN.is_multiple_of(2)) };
        let words = &self.panel(panel)[from / 2..to.div_ceil(2)];
        pulp::Arch::new().dispatch(Expansion {
            words: Words::plain(words),
            scales: None,
            scratch,
            layout: PhantomData::<Halves>,
        });
        &scratch[..to - from]
    }

    fn one_row(&self, panel: usize, x: &[f32], cpu: Cpu) -> Option<[f32; PANEL]> {
        let blocks = self.panel(panel).chunks(RUN / 2);
        Some(widest(
            cpu,
            OneRow {
                blocks: blocks.map(|words| (Words::plain(words), None)),
                block: RUN,
                x,
                layout: PhantomData::<Halves>,
            },
        ))
    }
}
