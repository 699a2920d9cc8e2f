//! One-dimensional convolution with the zero padding chosen on either side.

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;

use crate::ops::conv_by_taps::{ConvShape, conv1d_by_taps};

/// A convolution over time, [batch, in, time] to [batch, out, time].
///
/// The networks here are causal: they pad on one side only, or not at all where real context
/// follows. So the padding belongs to the call.
#[derive(Clone, Debug)]
pub(crate) struct Conv1d {
    weight: Weight,
    bias: Tensor,
    kernel: usize,
    stride: usize,
    dilation: usize,
    groups: usize,
}

#[derive(Clone, Debug)]
enum Weight {
    /// [kernel, out, in / groups], for [`conv1d_by_taps`].
    ByTaps(Tensor),
    /// [out, in / groups, kernel], for candle.
    Plain(Tensor),
}

impl Conv1d {
    /// From `weight` [out, in / groups, kernel] and `bias` [out].
    pub(crate) fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        let kernel = weight.dim(2)?;
        let by_taps = weight.device().is_cpu() && matches!(weight.dtype(), DType::F32 | DType::F64);
        let weight = if by_taps {
            Weight::ByTaps(weight.permute((2, 0, 1))?.contiguous()?)
        } else {
            Weight::Plain(weight)
        };
        Ok(Self {
            weight,
            bias,
            kernel,
            stride: 1,
            dilation: 1,
            groups: 1,
        })
    }

    /// Reads `weight` and `bias`; the input channels are those of one group.
    pub(crate) fn load(
        in_channels: usize,
        out_channels: usize,
        kernel: usize,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let weight = vb.get((out_channels, in_channels, kernel), "weight")?;
        Self::new(weight, vb.get(out_channels, "bias")?)
    }

    pub(crate) fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub(crate) fn with_dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    pub(crate) fn with_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Frames that one output frame sees besides its own.
    pub(crate) fn context(&self) -> usize {
        (self.kernel - 1) * self.dilation
    }

    /// Convolves `x` with `left` and `right` zeros around it.
    pub(crate) fn forward(&self, x: &Tensor, left: usize, right: usize) -> Result<Tensor> {
        let &Self {
            stride,
            dilation,
            groups,
            ..
        } = self;
        match &self.weight {
            Weight::ByTaps(weight) => {
                let shape = ConvShape {
                    left,
                    right,
                    stride,
                    dilation,
                    groups,
                };
                conv1d_by_taps(x, weight, &self.bias, shape)
            }
            Weight::Plain(weight) => x
                .pad_with_zeros(2, left, right)?
                .conv1d(weight, 0, stride, dilation, groups)?
                .broadcast_add(&self.bias.reshape((1, (), 1))?),
        }
    }

    /// Convolves `x` with as many zeros before it as keep its length.
    pub(crate) fn causal(&self, x: &Tensor) -> Result<Tensor> {
        self.forward(x, self.context(), 0)
    }
}
