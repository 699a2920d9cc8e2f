use std::sync::Arc;

use candle_core::{Device, Module, Result, Tensor};
use packed_linear::{Finish, Format, PackedLinear, Source};

use crate::kernels::Kernels;
use crate::ops::activation::gelu_slice;
use crate::ops::cpu_elements;
use crate::weights::Builder;

/// An affine map of the last dimension, of one row as well as of many.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    weight: Weight,
    device: Device,
}

/// How a weight is stored.
#[derive(Clone, Debug)]
enum Weight {
    Packed(Arc<PackedLinear>),
    Plain(candle_nn::Linear),
}

impl Linear {
    /// Reads `weight` [outputs, inputs] and `bias` [outputs].
    pub(crate) fn load(inputs: usize, outputs: usize, vb: Builder) -> Result<Self> {
        let bias = vb.get(outputs, "bias")?;
        let weight = vb.get((outputs, inputs), "weight")?;
        Self::new(weight, Some(bias), &vb)
    }

    /// Reads `weight` [outputs, inputs].
    pub(crate) fn load_no_bias(inputs: usize, outputs: usize, vb: Builder) -> Result<Self> {
        let weight = vb.get((outputs, inputs), "weight")?;
        Self::new(weight, None, &vb)
    }

    fn new(weight: Tensor, bias: Option<Tensor>, vb: &Builder) -> Result<Self> {
        Self::packed_as(weight, bias, vb.precision().format(), vb.kernels())
    }

    /// From `weight` [outputs, inputs] and `bias` [outputs].
    fn packed_as(
        weight: Tensor,
        bias: Option<Tensor>,
        format: Format,
        kernels: Kernels,
    ) -> Result<Self> {
        let device = weight.device().clone();
        let weight = if kernels.fit(&weight) {
            let (_, inputs) = weight.dims2()?;
            let bias = bias.map(|bias| bias.to_vec1()).transpose()?;
            let weight = weight.contiguous()?;
            let (storage, layout) = weight.storage_and_layout();
            let source = Source::F32(cpu_elements(&storage, layout)?);
            Weight::Packed(Arc::new(PackedLinear::new(format, source, bias, inputs)))
        } else {
            Weight::Plain(candle_nn::Linear::new(weight, bias))
        };
        Ok(Self { weight, device })
    }

    /// Device of the weights.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// [.., inputs] to [.., outputs].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Packed(packed) => run(packed, x, None),
            Weight::Plain(plain) => plain.forward(x),
        }
    }

    /// The same, followed by GELU in its tanh form.
    pub(crate) fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Packed(packed) => run(packed, x, Some(&gelu_slice)),
            Weight::Plain(plain) => plain.forward(x)?.gelu(),
        }
    }
}

impl Linear {
    /// Runs three layers on the same [.., inputs], at less cost than one after the other.
    pub(crate) fn forward_three([a, b, c]: [&Self; 3], x: &Tensor) -> Result<[Tensor; 3]> {
        let (Some(first), Some(second), Some(third)) = (a.packed(), b.packed(), c.packed()) else {
            return Ok([a.forward(x)?, b.forward(x)?, c.forward(x)?]);
        };
        let layers = [&**first, &**second, &**third];
        let shapes = [
            output_shape(first, x)?,
            output_shape(second, x)?,
            output_shape(third, x)?,
        ];
        let x = x.contiguous()?;
        let (storage, layout) = x.storage_and_layout();
        let outs = PackedLinear::run_many(layers, cpu_elements(&storage, layout)?);
        let ([a, b, c], [for_a, for_b, for_c]) = (outs, shapes);
        let tensor = |out, shape: Vec<usize>| Tensor::from_vec(out, shape, &Device::Cpu);
        Ok([tensor(a, for_a)?, tensor(b, for_b)?, tensor(c, for_c)?])
    }

    /// Multiply-adds of a row.
    pub(crate) fn operations(&self) -> u64 {
        let (outputs, inputs) = match &self.weight {
            Weight::Packed(packed) => (packed.outputs(), packed.inputs()),
            Weight::Plain(plain) => plain.weight().dims2().unwrap_or_default(),
        };
        (outputs * inputs) as u64
    }

    /// Bytes of the weight.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.weight {
            Weight::Packed(packed) => packed.bytes() as u64,
            Weight::Plain(plain) => {
                self.operations() * plain.weight().dtype().size_in_bytes() as u64
            }
        }
    }

    /// The packed weight, on the CPU.
    pub(crate) fn packed(&self) -> Option<&Arc<PackedLinear>> {
        match &self.weight {
            Weight::Packed(packed) => Some(packed),
            Weight::Plain(_) => None,
        }
    }
}

/// The shape of a layer's output for `x`.
fn output_shape(packed: &PackedLinear, x: &Tensor) -> Result<Vec<usize>> {
    let mut dims = x.dims().to_vec();
    match dims.last_mut() {
        Some(last) if *last == packed.inputs() && *last > 0 => *last = packed.outputs(),
        _ => candle_core::bail!(
            "a linear layer of {} inputs got a tensor of shape {:?}",
            packed.inputs(),
            x.dims()
        ),
    }
    Ok(dims)
}

fn run(packed: &PackedLinear, x: &Tensor, finish: Option<Finish<'_>>) -> Result<Tensor> {
    let dims = output_shape(packed, x)?;
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let out = packed.run(cpu_elements(&storage, layout)?, finish);
    Tensor::from_vec(out, dims, &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    fn random(shape: impl Into<candle_core::Shape>, deviation: f32) -> Result<Tensor> {
        Tensor::randn(0f32, deviation, shape, &Device::Cpu)
    }

    fn error(kernels: Kernels, rows: usize, inputs: usize, outputs: usize) -> Result<f64> {
        let (weight, bias) = (random((outputs, inputs), 0.04)?, random(outputs, 0.04)?);
        let x = random((1, rows, inputs), 1.0)?;
        let float32 = |weight, bias| Linear::packed_as(weight, bias, Format::F32, kernels);
        let linear = float32(weight.clone(), Some(bias.clone()))?;
        let got = linear.forward(&x)?;
        assert_eq!(got.dims(), [1, rows, outputs]);
        let activated = (linear.forward_gelu(&x)? - got.gelu()?)?;
        assert!(activated.abs()?.max_all()?.to_scalar::<f32>()? < 5e-7);
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let want = float32(wide(&weight)?, Some(wide(&bias)?))?.forward(&wide(&x)?)?;
        (wide(&got)? - want)?.abs()?.max_all()?.to_scalar()
    }

    #[test]
    fn one_row_and_many_agree_with_float64() -> Result<()> {
        for (rows, inputs, outputs) in [
            (1, 600, 33),
            (7, 600, 33),
            (1, 5, 1),
            (2, 31, 3),
            (5, 300, 521),
            (201, 600, 530),
        ] {
            for kernels in Kernels::ALL {
                let error = error(kernels, rows, inputs, outputs)?;
                // The largest of up to 106,530 sums rounds to 3e-6 at times; a wrong term is 1e-2.
                assert!(
                    error < 1e-5,
                    "{kernels}, {rows} × {inputs} → {outputs}: {error}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn empty_inputs_pass_and_other_widths_are_errors() -> Result<()> {
        let weight = random((3, 4), 1.0)?;
        let linear = Linear::packed_as(weight, None, Format::F32, Kernels::Own)?;
        assert_eq!(linear.forward(&random((2, 0, 4), 1.0)?)?.dims(), [2, 0, 3]);
        let error = linear.forward(&random((1, 5), 1.0)?).unwrap_err();
        assert!(error.to_string().contains("4 inputs got"), "{error}");
        Ok(())
    }
}
