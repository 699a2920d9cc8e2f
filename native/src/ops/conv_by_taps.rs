use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use gemm::Parallelism;
use rayon::prelude::*;

use crate::ops::matrix::{Matrix, RUN, Real, add_product};

/// Output frames that one task computes: its input and output then stay in the second-level cache.
const TILE: usize = 384;
/// Multiply-adds below which a convolution is not worth spreading over threads.
const SMALL: usize = 1 << 18;

/// What a convolution does besides its weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    /// Zeros before the input.
    pub(crate) left: usize,
    /// Zeros after it.
    pub(crate) right: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) groups: usize,
}

/// Convolves `x` [batch, in, time] with `weight` [kernel, out, in / groups], adding `bias` [out].
///
/// Every tap of the kernel is one matrix product added to the result, on the input as it lies:
/// nothing is unfolded, padded or transposed, and each sum is rounded in short runs.
pub(crate) fn conv1d_by_taps(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    shape: ConvShape,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3_no_bwd(weight, bias, &Op(shape))
}

struct Op(ConvShape);

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        "conv1d-by-taps"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, frames) = x_layout.shape().dims3()?;
        let (kernel, out_channels, group_channels) = weight_layout.shape().dims3()?;
        let ConvShape {
            left,
            right,
            stride,
            dilation,
            groups,
        } = self.0;
        let reach = (kernel - 1) * dilation + 1;
        if channels != group_channels * groups || left + frames + right < reach {
            candle_core::bail!(
                "a convolution of kernel {:?} in {groups} group(s) does not fit {:?}",
                weight_layout.dims(),
                x_layout.dims()
            );
        }
        let problem = Problem {
            shape: self.0,
            kernel,
            channels,
            frames,
            out_channels,
            out_frames: (left + frames + right - reach) / stride + 1,
        };
        let out = match (x, weight, bias) {
            (CpuStorage::F32(x), CpuStorage::F32(w), CpuStorage::F32(b)) => {
                CpuStorage::F32(problem.run(
                    part(x, x_layout)?,
                    part(w, weight_layout)?,
                    part(b, bias_layout)?,
                ))
            }
            (CpuStorage::F64(x), CpuStorage::F64(w), CpuStorage::F64(b)) => {
                CpuStorage::F64(problem.run(
                    part(x, x_layout)?,
                    part(w, weight_layout)?,
                    part(b, bias_layout)?,
                ))
            }
            _ => candle_core::bail!("only float32 and float64 are convolved by taps"),
        };
        Ok((out, (batch, out_channels, problem.out_frames).into()))
    }
}

/// The elements of a contiguous tensor.
fn part<'a, T>(data: &'a [T], layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&data[start..end]),
        None => candle_core::bail!("operands must be contiguous"),
    }
}

struct Problem {
    shape: ConvShape,
    kernel: usize,
    channels: usize,
    frames: usize,
    out_channels: usize,
    out_frames: usize,
}

impl Problem {
    fn run<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let groups = self.shape.groups;
        let group_out = self.out_channels / groups;
        let group_in = self.channels / groups;
        let work = self.kernel * group_in * self.out_channels * self.out_frames;
        let tiles = if work < SMALL { 1 } else { self.tiles(groups) };
        let tile = self.out_frames.div_ceil(tiles).max(1);

        let mut out =
            vec![
                T::ZERO;
                x.len() / self.frames.max(1) / self.channels * self.out_channels * self.out_frames
            ];
        let task = |(index, rows): (usize, &mut [T])| {
            // One group of one batch element: `rows` is all of its output.
            let x = &x[index * group_in * self.frames..][..group_in * self.frames];
            let group = index % groups;
            let bias = &bias[group * group_out..][..group_out];
            let compute = |t: usize| self.tile(x, weight, bias, group, t * tile, tile);
            let count = self.out_frames.div_ceil(tile);
            let parts: Vec<Vec<T>> = if tiles == 1 {
                (0..count).map(compute).collect()
            } else {
                (0..count).into_par_iter().map(compute).collect()
            };
            for (t, part) in parts.iter().enumerate() {
                let width = part.len() / group_out;
                for (row, part) in rows
                    .chunks_exact_mut(self.out_frames)
                    .zip(part.chunks_exact(width))
                {
                    row[t * tile..][..width].copy_from_slice(part);
                }
            }
        };
        let rows = group_out * self.out_frames;
        if rows > 0 && groups > 1 {
            out.par_chunks_exact_mut(rows).enumerate().for_each(task);
        } else if rows > 0 {
            out.chunks_exact_mut(rows).enumerate().for_each(task);
        }
        out
    }

    /// How many tiles to cut the output frames into.
    fn tiles(&self, groups: usize) -> usize {
        let threads = rayon::current_num_threads();
        let even = if groups >= threads { 1 } else { threads };
        self.out_frames.div_ceil(TILE).next_multiple_of(even)
    }

    /// Output frames `first..first + width` of one group, [out, width] row-major.
    fn tile<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        bias: &[T],
        group: usize,
        first: usize,
        width: usize,
    ) -> Vec<T> {
        let ConvShape {
            left,
            stride,
            dilation,
            groups,
            ..
        } = self.shape;
        let (group_in, group_out) = (self.channels / groups, self.out_channels / groups);
        let width = width.min(self.out_frames - first);
        let mut out = Vec::with_capacity(group_out * width);
        for &b in bias {
            out.extend(std::iter::repeat_n(b, width));
        }
        for tap in 0..self.kernel {
            // Frame t of the output sees frame t·stride + tap·dilation − left of the input: only
            // where that exists is there anything to add.
            let shift = tap * dilation;
            let begin = left.saturating_sub(shift).div_ceil(stride).max(first);
            let end = (self.frames + left)
                .saturating_sub(shift)
                .div_ceil(stride)
                .min(first + width);
            if begin >= end {
                continue;
            }
            let taps = &weight[(tap * self.out_channels + group * group_out) * group_in..];
            for channel in (0..group_in).step_by(RUN) {
                let a = Matrix {
                    data: &taps[channel..group_out * group_in],
                    rows: group_out,
                    columns: RUN.min(group_in - channel),
                    row_stride: group_in,
                    column_stride: 1,
                };
                let b = Matrix {
                    data: &x[channel * self.frames + begin * stride + shift - left..],
                    rows: a.columns,
                    columns: end - begin,
                    row_stride: self.frames,
                    column_stride: stride,
                };
                add_product(&mut out, width, begin - first, a, b, Parallelism::None);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn taps_make_the_convolution_that_candle_makes(
            (batch, groups, group_in, group_out) in (1..3usize, 1..4usize, 1..6usize, 1..6usize),
            (kernel, stride, dilation) in (1..6usize, 1..5usize, 1..4usize),
            (left, right, frames) in (0..12usize, 0..12usize, 1..30usize),
        ) {
            let reach = (kernel - 1) * dilation + 1;
            prop_assume!(left + frames + right >= reach);
            let shape = ConvShape { left, right, stride, dilation, groups };
            let error = difference(shape, batch, group_in, group_out, kernel, frames);
            prop_assert!(error.is_ok_and(|e| e < 1e-5));
        }
    }

    fn difference(
        shape: ConvShape,
        batch: usize,
        group_in: usize,
        group_out: usize,
        kernel: usize,
        frames: usize,
    ) -> Result<f64> {
        let ConvShape {
            left,
            right,
            stride,
            dilation,
            groups,
        } = shape;
        let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, &Device::Cpu);
        let x = random(&[batch, groups * group_in, frames])?;
        let weight = random(&[groups * group_out, group_in, kernel])?;
        let bias = random(&[groups * group_out])?;
        let by_taps = weight.permute((2, 0, 1))?.contiguous()?;
        let got = conv1d_by_taps(&x, &by_taps, &bias, shape)?.to_dtype(DType::F64)?;
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let want = wide(&x)?
            .pad_with_zeros(2, left, right)?
            .conv1d(&wide(&weight)?, 0, stride, dilation, groups)?
            .broadcast_add(&wide(&bias)?.reshape((1, (), 1))?)?;
        (got - want)?.abs()?.max_all()?.to_scalar()
    }

    #[test]
    fn long_inputs_and_many_channels_are_cut_and_joined() -> Result<()> {
        let shape = ConvShape {
            left: 6,
            right: 0,
            stride: 1,
            dilation: 3,
            groups: 1,
        };
        assert!(difference(shape, 1, RUN + 44, 5, 3, 2 * TILE + 17)? < 1e-4);
        let strided = ConvShape {
            left: 14,
            right: 0,
            stride: 15,
            dilation: 1,
            groups: 1,
        };
        assert!(difference(strided, 1, 18, 32, 30, 20_000)? < 1e-4);
        Ok(())
    }

    #[test]
    fn an_input_shorter_than_the_kernel_is_refused() -> Result<()> {
        let shape = ConvShape {
            left: 1,
            right: 0,
            stride: 1,
            dilation: 1,
            groups: 1,
        };
        assert!(difference(shape, 1, 2, 2, 5, 3).is_err());
        Ok(())
    }
}
