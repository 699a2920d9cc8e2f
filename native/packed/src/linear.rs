use crate::cpu::Cpu;
use crate::format::Format;
use crate::source::Source;
use crate::tasks::Edges;
use crate::{bf16, float32, int4, int8};

/// Applied to outputs once they are summed, part of a row by part of a row: an activation.
pub type Finish<'a> = &'a (dyn Fn(&mut [f32]) + Sync);

/// A linear layer whose weight has been packed for the processor at hand.
#[derive(Debug)]
pub struct PackedLinear {
    weight: Weight,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
    cpu: Cpu,
}

#[derive(Debug)]
enum Weight {
    Float32(float32::Panels),
    Bf16(bf16::Panels),
    Int8(int8::Panels),
    Int4(int4::Panels),
}

impl PackedLinear {
    /// Packs `weight` [outputs, inputs] with its `bias` [outputs]. Elements beyond the last whole
    /// row are left out.
    ///
    /// # Panics
    /// If the bias does not have one element for each output.
    pub fn new(format: Format, weight: Source<'_>, bias: Option<Vec<f32>>, inputs: usize) -> Self {
        let outputs = weight.len().checked_div(inputs).unwrap_or(0);
        if let Some(bias) = &bias {
            assert_eq!(bias.len(), outputs, "elements of the bias");
        }
        Self {
            weight: match format {
                Format::F32 => Weight::Float32(float32::Panels::new(weight, inputs)),
                Format::Bf16 => Weight::Bf16(bf16::Panels::new(weight, inputs)),
                Format::Q8 => Weight::Int8(int8::Panels::new(weight, inputs)),
                Format::Q4 => Weight::Int4(int4::Panels::new(weight, inputs)),
            },
            bias,
            inputs,
            outputs,
            cpu: Cpu::detect(),
        }
    }

    /// The same layer, using no instructions that `cpu` lacks: for tests and benchmarks. What this
    /// machine lacks is not used either.
    #[must_use]
    pub fn restricted_to(self, cpu: Cpu) -> Self {
        Self {
            cpu: cpu.and(Cpu::detect()),
            ..self
        }
    }

    /// Inputs of a row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of a row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of the packed weight.
    pub fn bytes(&self) -> usize {
        match &self.weight {
            Weight::Float32(panels) => panels.bytes(),
            Weight::Bf16(panels) => panels.bytes(),
            Weight::Int8(panels) => panels.bytes(),
            Weight::Int4(panels) => panels.bytes(),
        }
    }

    /// [rows, inputs] to [rows, outputs], followed by `finish`.
    ///
    /// # Panics
    /// If `x` does not consist of whole rows.
    pub fn run(&self, x: &[f32], finish: Option<Finish<'_>>) -> Vec<f32> {
        let rows = x.len().checked_div(self.inputs).unwrap_or(0);
        let mut out = vec![0.0; rows * self.outputs];
        self.run_into(x, &mut out, finish);
        out
    }

    /// Like [`Self::run`], into `out` [rows, outputs].
    ///
    /// # Panics
    /// If `x` and `out` do not consist of as many whole rows.
    pub fn run_into(&self, x: &[f32], out: &mut [f32], finish: Option<Finish<'_>>) {
        let rows = x.len().checked_div(self.inputs).unwrap_or(0);
        assert_eq!(x.len(), rows * self.inputs, "whole rows of inputs");
        assert_eq!(out.len(), rows * self.outputs, "as many rows of outputs");
        if out.is_empty() {
            return;
        }
        let (shape, cpu) = ((self.inputs, self.outputs), self.cpu);
        let edges = Edges {
            bias: self.bias.as_deref(),
            finish,
        };
        match &self.weight {
            Weight::Float32(panels) => {
                float32::add_products(panels, x, shape, cpu, out, edges);
            }
            Weight::Bf16(panels) => {
                #[cfg(target_arch = "x86_64")]
                if crate::x86::tiles::add_products_of_bf16(panels, x, shape, cpu, out, edges)
                    || crate::x86::bf16::add_products(panels, x, shape, cpu, out, edges)
                {
                    return;
                }
                float32::add_products(panels, x, shape, cpu, out, edges);
            }
            Weight::Int8(panels) => {
                #[cfg(target_arch = "x86_64")]
                if crate::x86::tiles::add_products_of_bytes(panels, x, shape, cpu, out, edges)
                    || crate::x86::bytes::add_products(panels, x, shape, cpu, out, edges)
                {
                    return;
                }
                float32::add_products(panels, x, shape, cpu, out, edges);
            }
            Weight::Int4(panels) => {
                #[cfg(target_arch = "x86_64")]
                if crate::x86::nibbles::add_products(panels, x, shape, cpu, out, edges) {
                    return;
                }
                float32::add_products(panels, x, shape, cpu, out, edges);
            }
        }
    }
}
