//! One-dimensional convolution with the zero padding chosen on either side.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// A convolution over time, [batch, in, time] to [batch, out, time].
///
/// The networks here are causal: they pad on one side only, or not at all where real context
/// follows. So the padding belongs to the call.
#[derive(Clone, Debug)]
pub(crate) struct Conv1d {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    dilation: usize,
    groups: usize,
}

impl Conv1d {
    /// From `weight` [out, in / groups, kernel] and `bias` [out].
    pub(crate) fn new(weight: Tensor, bias: Tensor) -> Self {
        Self {
            weight,
            bias,
            stride: 1,
            dilation: 1,
            groups: 1,
        }
    }

    /// Reads `weight` and `bias`; the input channels are those of one group.
    pub(crate) fn load(
        in_channels: usize,
        out_channels: usize,
        kernel: usize,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let weight = vb.get((out_channels, in_channels, kernel), "weight")?;
        Ok(Self::new(weight, vb.get(out_channels, "bias")?))
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
    pub(crate) fn context(&self) -> Result<usize> {
        Ok((self.weight.dim(2)? - 1) * self.dilation)
    }

    /// Convolves `x` with `left` and `right` zeros around it.
    pub(crate) fn forward(&self, x: &Tensor, left: usize, right: usize) -> Result<Tensor> {
        let x = x.pad_with_zeros(2, left, right)?;
        let y = x.conv1d(&self.weight, 0, self.stride, self.dilation, self.groups)?;
        y.broadcast_add(&self.bias.reshape((1, (), 1))?)
    }

    /// Convolves `x` with as many zeros before it as keep its length.
    pub(crate) fn causal(&self, x: &Tensor) -> Result<Tensor> {
        self.forward(x, self.context()?, 0)
    }
}
