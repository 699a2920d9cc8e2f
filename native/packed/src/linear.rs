use crate::cpu::Cpu;
use crate::float32::InFloat32;
use crate::format::Format;
use crate::source::Source;
use crate::tasks::{self, Rows, Task};
#[cfg(target_arch = "x86_64")]
use crate::x86::{
    bf16::Vectors as Bf16Vectors,
    bytes::Vectors as Int8Vectors,
    nibbles::{self, Vectors as Int4Vectors},
    tiles::{self, OfBf16 as Bf16Tiles, OfBytes as Int8Tiles},
};
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
    /// Packs `weight` of shape `[outputs, inputs]` with its `bias` of shape `[outputs]`. Elements
    /// beyond the last whole row are left out.
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
        let mut out = vec![0.0; self.rows(x) * self.outputs];
        self.run_into(x, &mut out, finish);
        out
    }

    /// Like [`Self::run`], into `out` [rows, outputs].
    ///
    /// # Panics
    /// If `x` and `out` do not consist of as many whole rows.
    pub fn run_into(&self, x: &[f32], out: &mut [f32], finish: Option<Finish<'_>>) {
        run_all(&[self], x, &mut [out], finish, Rows::Together);
    }

    /// Runs several layers on the same `x`, into one output each, at less cost than one after the
    /// other.
    ///
    /// # Panics
    /// If `x` does not consist of whole rows of every layer.
    pub fn run_many<const N: usize>(layers: [&Self; N], x: &[f32]) -> [Vec<f32>; N] {
        let mut outs = layers.map(|layer| vec![0.0; layer.rows(x) * layer.outputs]);
        run_all(
            &layers,
            x,
            &mut outs.each_mut().map(|out| &mut out[..]),
            None,
            Rows::Together,
        );
        outs
    }

    /// Like [`Self::run_many`], with the very outputs that each row has when it is run alone: more
    /// rows may otherwise be summed in another order. The weights are still read once for all rows,
    /// of which there should be few.
    ///
    /// # Panics
    /// If `x` does not consist of whole rows of every layer.
    pub fn run_rows_apart<const N: usize>(layers: [&Self; N], x: &[f32]) -> [Vec<f32>; N] {
        let mut outs = layers.map(|layer| vec![0.0; layer.rows(x) * layer.outputs]);
        run_all(
            &layers,
            x,
            &mut outs.each_mut().map(|out| &mut out[..]),
            None,
            Rows::Apart,
        );
        outs
    }

    /// Rows in `x`.
    fn rows(&self, x: &[f32]) -> usize {
        x.len().checked_div(self.inputs).unwrap_or(0)
    }

    /// The kernel for so many rows.
    fn kind(&self, rows: usize) -> Kind {
        #[cfg(target_arch = "x86_64")]
        {
            let cpu = self.cpu;
            let kind = match &self.weight {
                Weight::Bf16(p) if cpu.amx_bf16 && tiles::serve(rows, p.length()) => {
                    Some(Kind::Bf16Tiles)
                }
                Weight::Int8(p) if cpu.amx_int8 && tiles::serve(rows, p.length()) => {
                    Some(Kind::Int8Tiles)
                }
                Weight::Bf16(_) if cpu.avx512_bf16 => Some(Kind::Bf16Vectors),
                Weight::Int8(_) if cpu.avx512_vnni => Some(Kind::Int8Vectors),
                Weight::Int4(_) if cpu.avx512_vnni && rows <= nibbles::MOST_ROWS => {
                    Some(Kind::Int4Vectors)
                }
                _ => None,
            };
            if let Some(kind) = kind {
                return kind;
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = rows;
        match &self.weight {
            Weight::Float32(_) => Kind::Float32,
            Weight::Bf16(_) => Kind::Bf16InFloat32,
            Weight::Int8(_) => Kind::Int8InFloat32,
            Weight::Int4(_) => Kind::Int4InFloat32,
        }
    }
}

/// The kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Float32,
    Bf16InFloat32,
    Int8InFloat32,
    Int4InFloat32,
    #[cfg(target_arch = "x86_64")]
    Bf16Vectors,
    #[cfg(target_arch = "x86_64")]
    Int8Vectors,
    #[cfg(target_arch = "x86_64")]
    Int4Vectors,
    #[cfg(target_arch = "x86_64")]
    Bf16Tiles,
    #[cfg(target_arch = "x86_64")]
    Int8Tiles,
}

fn run_all(
    layers: &[&PackedLinear],
    x: &[f32],
    outs: &mut [&mut [f32]],
    finish: Option<Finish<'_>>,
    together: Rows,
) {
    let Some(first) = layers.first() else {
        return;
    };
    let rows = first.rows(x);
    for (layer, out) in layers.iter().zip(&*outs) {
        assert_eq!(x.len(), rows * layer.inputs, "whole rows of inputs");
        assert_eq!(out.len(), rows * layer.outputs, "as many rows of outputs");
    }
    let chosen_for = match together {
        Rows::Together => rows,
        Rows::Apart => 1,
    };
    let kind = first.kind(chosen_for);
    let cpu = first.cpu;
    let alike = |layer: &&PackedLinear| {
        layer.kind(chosen_for) == kind && layer.cpu == cpu && layer.outputs > 0
    };
    if rows == 0 || first.inputs == 0 || (layers.len() == 1 && first.outputs == 0) {
        return;
    }
    if !layers.iter().all(alike) {
        for (layer, out) in layers.iter().zip(outs) {
            run_all(&[*layer], x, &mut [out], finish, together);
        }
        return;
    }
    let begin = |number: usize, task: &mut Task<'_>| layers[number].begin(task);
    let end = |_: usize, task: &mut Task<'_>| {
        if let Some(finish) = finish {
            task.rows.iter_mut().for_each(|row| finish(row));
        }
    };
    /// Runs the kernel `$kernel` of the weights `$weight`.
    macro_rules! with {
        ($weight:ident, $kernel:ident $(, $field:ident)*) => {{
            let kernels = layers.iter().copied().filter_map(|layer| match &layer.weight {
                Weight::$weight(weights) => {
                    let (inputs, outputs) = (layer.inputs, layer.outputs);
                    Some($kernel { weights, inputs, outputs $(, $field)* })
                }
                _ => None,
            });
            let kernels: Vec<_> = kernels.collect();
            tasks::run(&kernels, x, outs, begin, end);
        }};
    }
    match kind {
        Kind::Float32 => with!(Float32, InFloat32, cpu, together),
        Kind::Bf16InFloat32 => with!(Bf16, InFloat32, cpu, together),
        Kind::Int8InFloat32 => with!(Int8, InFloat32, cpu, together),
        Kind::Int4InFloat32 => with!(Int4, InFloat32, cpu, together),
        #[cfg(target_arch = "x86_64")]
        Kind::Bf16Vectors => with!(Bf16, Bf16Vectors, together),
        #[cfg(target_arch = "x86_64")]
        Kind::Int8Vectors => with!(Int8, Int8Vectors, together),
        #[cfg(target_arch = "x86_64")]
        Kind::Int4Vectors => with!(Int4, Int4Vectors),
        #[cfg(target_arch = "x86_64")]
        Kind::Bf16Tiles => with!(Bf16, Bf16Tiles),
        #[cfg(target_arch = "x86_64")]
        Kind::Int8Tiles => with!(Int8, Int8Tiles),
    }
}

impl PackedLinear {
    /// Sets the outputs of a task to the bias, or to zero.
    fn begin(&self, task: &mut Task<'_>) {
        let (first, count) = (task.output, task.outputs());
        for row in &mut task.rows {
            match &self.bias {
                Some(bias) => row.copy_from_slice(&bias[first..first + count]),
                None => row.fill(0.0),
            }
        }
    }
}
