//! One-dimensional convolution with the zero padding chosen on either side.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use crate::kernels::Kernels;
use crate::ops::conv_kernel::{ConvKernel, ConvShape};
use crate::ops::cpu_elements;
use crate::weights::Builder;

/// A convolution over time, [batch, in, time] to [batch, out, time].
///
/// The padding is an argument of each call: causal networks pad on one side only, and a streaming
/// one does not pad where real context follows.
#[derive(Clone, Debug)]
pub(crate) struct Conv1d {
    weight: Weight,
    kernel: usize,
    stride: usize,
    dilation: usize,
}

#[derive(Clone, Debug)]
enum Weight {
    Kernel(Arc<ConvKernel>),
    /// [out, in / groups, kernel] and [out], for candle.
    Plain {
        weight: Tensor,
        bias: Tensor,
        groups: usize,
    },
}

impl Conv1d {
    /// From `weight` [out, in, kernel] and `bias` [out].
    pub(crate) fn new(weight: Tensor, bias: Tensor, kernels: Kernels) -> Result<Self> {
        Self::grouped(weight, bias, 1, kernels)
    }

    /// From `weight` [out, in / groups, kernel] and `bias` [out].
    fn grouped(weight: Tensor, bias: Tensor, groups: usize, kernels: Kernels) -> Result<Self> {
        let (outputs, inputs, kernel) = weight.dims3()?;
        if kernel == 0 || groups == 0 || outputs % groups != 0 || bias.dims() != [outputs] {
            candle_core::bail!(
                "weight {:?} and bias {:?} do not fit a convolution in {groups} group(s)",
                weight.dims(),
                bias.dims()
            );
        }
        let weight = if kernels.fit(&weight) {
            let weight: Vec<f32> = weight.flatten_all()?.to_vec1()?;
            let bias = bias.to_vec1()?;
            Weight::Kernel(Arc::new(ConvKernel::new(
                &weight,
                bias,
                (inputs, kernel),
                groups,
            )))
        } else {
            Weight::Plain {
                weight,
                bias,
                groups,
            }
        };
        Ok(Self {
            weight,
            kernel,
            stride: 1,
            dilation: 1,
        })
    }

    /// Reads `weight` [out, in / groups, kernel] and `bias` [out]; `in_channels` counts the input
    /// channels of one group.
    pub(crate) fn load(
        in_channels: usize,
        out_channels: usize,
        kernel: usize,
        groups: usize,
        vb: Builder,
    ) -> Result<Self> {
        let weight = vb.get((out_channels, in_channels, kernel), "weight")?;
        let bias = vb.get(out_channels, "bias")?;
        Self::grouped(weight, bias, groups, vb.kernels())
    }

    pub(crate) fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub(crate) fn with_dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Input frames that one output frame depends on, besides its own.
    pub(crate) fn context(&self) -> usize {
        (self.kernel - 1) * self.dilation
    }

    /// Convolves `x` with `left` and `right` zeros around it.
    pub(crate) fn forward(&self, x: &Tensor, left: usize, right: usize) -> Result<Tensor> {
        self.convolve(x, (left, right), None)
    }

    /// Convolves `x` with zeros before it, so that the output has its length.
    pub(crate) fn causal(&self, x: &Tensor) -> Result<Tensor> {
        self.convolve(x, (self.context(), 0), None)
    }

    /// Like [`Self::causal`], and adds `residual`.
    pub(crate) fn causal_onto(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.convolve(x, (self.context(), 0), Some(residual))
    }

    fn convolve(
        &self,
        x: &Tensor,
        (left, right): (usize, usize),
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let &Self {
            stride, dilation, ..
        } = self;
        match &self.weight {
            Weight::Kernel(kernel) => {
                let shape = ConvShape {
                    left,
                    right,
                    stride,
                    dilation,
                };
                run(kernel, x, shape, residual)
            }
            Weight::Plain {
                weight,
                bias,
                groups,
            } => {
                let y = x
                    .pad_with_zeros(2, left, right)?
                    .conv1d(weight, 0, stride, dilation, *groups)?
                    .broadcast_add(&bias.reshape((1, (), 1))?)?;
                match residual {
                    Some(residual) => y + residual,
                    None => Ok(y),
                }
            }
        }
    }
}

fn run(
    kernel: &ConvKernel,
    x: &Tensor,
    shape: ConvShape,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    let (batch, channels, frames) = x.dims3()?;
    let out_frames = match kernel.frames(frames, shape) {
        Some(out_frames) if channels == kernel.inputs() => out_frames,
        _ => candle_core::bail!(
            "a convolution of {} input channels with {shape:?} got a tensor of shape {:?}",
            kernel.inputs(),
            x.dims()
        ),
    };
    let out_shape = (batch, kernel.outputs(), out_frames);
    let x = x.contiguous()?;
    let residual = match residual {
        Some(r) if r.dims3()? != out_shape => {
            candle_core::bail!(
                "residual of shape {:?} cannot be added to an output of shape {out_shape:?}",
                r.dims()
            )
        }
        Some(r) => Some(r.contiguous()?),
        None => None,
    };
    let (storage, layout) = x.storage_and_layout();
    let added = residual.as_ref().map(Tensor::storage_and_layout);
    let added = match &added {
        Some((storage, layout)) => Some(cpu_elements(storage, layout)?),
        None => None,
    };
    let out = kernel.run(cpu_elements(&storage, layout)?, frames, shape, added);
    Tensor::from_vec(out, out_shape, &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Problem {
        batch: usize,
        groups: usize,
        group_in: usize,
        group_out: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        left: usize,
        right: usize,
        frames: usize,
    }

    const PLAIN: Problem = Problem {
        batch: 1,
        groups: 1,
        group_in: 2,
        group_out: 2,
        kernel: 1,
        stride: 1,
        dilation: 1,
        left: 0,
        right: 0,
        frames: 3,
    };

    /// The largest difference from candle's convolution in float64.
    fn error(problem: Problem) -> Result<f64> {
        let Problem {
            batch,
            groups,
            group_in,
            group_out,
            kernel,
            stride,
            dilation,
            left,
            right,
            frames,
        } = problem;
        let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, &Device::Cpu);
        let x = random(&[batch, groups * group_in, frames])?;
        let weight = random(&[groups * group_out, group_in, kernel])?;
        let bias = random(&[groups * group_out])?;
        let conv = |dtype, kernels| {
            let (weight, bias) = (weight.to_dtype(dtype)?, bias.to_dtype(dtype)?);
            let conv = Conv1d::grouped(weight, bias, groups, kernels)?;
            Ok::<_, candle_core::Error>(conv.with_stride(stride).with_dilation(dilation))
        };
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let want = conv(DType::F64, Kernels::Own)?.forward(&wide(&x)?, left, right)?;
        let off = |got: &Tensor, want: &Tensor| -> Result<f64> {
            (wide(got)? - want)?.abs()?.max_all()?.to_scalar()
        };
        let mut worst = 0f64;
        for kernels in Kernels::ALL {
            let single = conv(DType::F32, kernels)?;
            let got = single.forward(&x, left, right)?;
            let residual = random(got.dims())?;
            let both = single.convolve(&x, (left, right), Some(&residual))?;
            let with_residual = (&want + wide(&residual)?)?;
            worst = worst
                .max(off(&got, &want)?)
                .max(off(&both, &with_residual)?);
        }
        Ok(worst)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn own_and_composed_agree_with_candle_in_float64(
            (batch, groups, group_in, group_out) in (1..3usize, 1..4usize, 1..6usize, 1..20usize),
            (kernel, stride, dilation) in (1..6usize, 1..5usize, 1..4usize),
            (left, right, frames) in (0..12usize, 0..12usize, 1..130usize),
        ) {
            prop_assume!(left + frames + right > (kernel - 1) * dilation);
            let error = error(Problem {
                batch, groups, group_in, group_out, kernel, stride, dilation, left, right, frames,
            });
            prop_assert!(error.as_ref().is_ok_and(|&e| e < 1e-5), "{error:?}");
        }
    }

    #[test]
    fn long_inputs_and_many_channels_are_cut_and_joined() -> Result<()> {
        let wide = Problem {
            group_in: 300,
            group_out: 70,
            kernel: 3,
            dilation: 3,
            left: 6,
            frames: 1000,
            ..PLAIN
        };
        assert!(error(wide)? < 1e-4);
        let strided = Problem {
            group_in: 18,
            group_out: 32,
            kernel: 30,
            stride: 15,
            left: 14,
            frames: 20_000,
            ..PLAIN
        };
        assert!(error(strided)? < 1e-4);
        Ok(())
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() -> Result<()> {
        let weight = Tensor::zeros((2, 2, 5), DType::F32, &Device::Cpu)?;
        let bias = Tensor::zeros(2, DType::F32, &Device::Cpu)?;
        let conv = Conv1d::new(weight, bias, Kernels::Own)?;
        let zeros =
            |channels, frames| Tensor::zeros((1, channels, frames), DType::F32, &Device::Cpu);
        // Shorter than the kernel, of other channels, and with a residual of another shape.
        assert!(conv.forward(&zeros(2, 3)?, 1, 0).is_err());
        assert!(conv.causal(&zeros(3, 9)?).is_err());
        assert!(conv.causal_onto(&zeros(2, 9)?, &zeros(2, 8)?).is_err());
        assert_eq!(conv.causal(&zeros(2, 9)?)?.dims(), [1, 2, 9]);
        Ok(())
    }
}
