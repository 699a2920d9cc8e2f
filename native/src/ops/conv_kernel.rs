use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Terms summed in one run. The shorter the runs, the less a float32 sum rounds; runs shorter than
/// in the linear layers cost nothing here.
const RUN: usize = 64;
/// Output channels of a block, whose weights lie side by side.
const BLOCK: usize = 8;
/// Maximum SIMD vectors of output frames accumulated at once.
const VECTORS: usize = 3;
/// Output frames of a tile: its input stays in the second-level cache.
const FRAMES: usize = VECTORS * LANES;
/// Tasks for each thread, so that the threads finish together.
const TASKS: usize = 8;
/// Lanes of the widest vectors.
const LANES: usize = 16;
/// Multiply-adds below which a convolution is not worth spreading over threads.
const SMALL: usize = 1 << 18;

/// Padding and steps of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    /// Zeros before the input.
    pub(super) left: usize,
    /// Zeros after it.
    pub(super) right: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
}

/// A convolution in float32 on the CPU.
///
/// The input is not unfolded into a matrix: all taps of the kernel read it in place, for several
/// output channels and frames whose sums stay in registers. Sums are accumulated in short runs.
#[derive(Debug)]
pub(super) struct ConvKernel {
    /// For every group and block of output channels: [input channels, kernel, block], padded with
    /// zeros after the last channel.
    weight: Vec<[f32; BLOCK]>,
    bias: Vec<f32>,
    /// Number of taps.
    kernel: usize,
    groups: usize,
    /// Input and output channels of a group.
    group_in: usize,
    group_out: usize,
}

impl ConvKernel {
    /// From `weight` [out, in / groups, kernel] and `bias` [out].
    pub(super) fn new(
        weight: &[f32],
        bias: Vec<f32>,
        (group_in, kernel): (usize, usize),
        groups: usize,
    ) -> Self {
        let group_out = bias.len() / groups;
        let mut packed = Vec::new();
        for group in weight.chunks_exact((group_out * group_in * kernel).max(1)) {
            for block in group.chunks(BLOCK * group_in * kernel) {
                packed.extend((0..group_in * kernel).map(|i| {
                    let channel = |o: usize| block.get(o * group_in * kernel + i).copied();
                    std::array::from_fn(|o| channel(o).unwrap_or(0.0))
                }));
            }
        }
        Self {
            weight: packed,
            bias,
            kernel,
            groups,
            group_in,
            group_out,
        }
    }

    /// Input channels.
    pub(super) fn inputs(&self) -> usize {
        self.groups * self.group_in
    }

    /// Output channels.
    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Output frames for an input of `frames`, or `None` if the padded input is shorter than the
    /// kernel.
    pub(super) fn frames(&self, frames: usize, shape: ConvShape) -> Option<usize> {
        let reach = (self.kernel - 1) * shape.dilation + 1;
        let padded = shape.left + frames + shape.right;
        Some(padded.checked_sub(reach)? / shape.stride + 1)
    }

    /// Convolves `x` [batch × in, frames] to [batch × out, out frames], and adds `residual`, which
    /// has the output's shape. The padded input must be at least as long as the kernel.
    pub(super) fn run(
        &self,
        x: &[f32],
        frames: usize,
        shape: ConvShape,
        residual: Option<&[f32]>,
    ) -> Vec<f32> {
        let widest = |task: Task<'_>| pulp::Arch::new().dispatch(task);
        self.run_tasks(x, frames, shape, residual, widest)
    }

    fn run_tasks(
        &self,
        x: &[f32],
        frames: usize,
        shape: ConvShape,
        residual: Option<&[f32]>,
        run: impl Fn(Task<'_>) + Sync,
    ) -> Vec<f32> {
        let out_frames = self.frames(frames, shape).unwrap_or(0);
        let batch = x.len() / (self.inputs() * frames).max(1);
        let mut out = vec![0f32; batch * self.outputs() * out_frames];
        if out.is_empty() {
            return out;
        }
        let work = out.len() * self.group_in * self.kernel;
        let input = Input::new(x, frames, shape, self.kernel);
        // With few tiles, the threads share out their channels too.
        let tiles = batch * self.groups * out_frames.div_ceil(FRAMES);
        let wanted = rayon::current_num_threads() * TASKS;
        let blocks = (self.group_out.div_ceil(BLOCK) * tiles / wanted).max(1);
        let mut tasks = Vec::new();
        for (unit, rows) in out.chunks_mut(self.group_out * out_frames).enumerate() {
            for (chunk, rows) in rows.chunks_mut(blocks * BLOCK * out_frames).enumerate() {
                let mut rows: Vec<_> = rows
                    .chunks_mut(out_frames)
                    .map(|row| row.chunks_mut(FRAMES))
                    .collect();
                tasks.extend((0..out_frames).step_by(FRAMES).map(|first| Task {
                    conv: self,
                    input: &input,
                    residual,
                    unit,
                    channel: chunk * blocks * BLOCK,
                    first,
                    out_frames,
                    rows: rows.iter_mut().filter_map(Iterator::next).collect(),
                }));
            }
        }
        if work < SMALL {
            tasks.into_iter().for_each(&run);
        } else {
            tasks.into_par_iter().for_each(&run);
        }
        out
    }
}

/// The input, and how a tile's part of it is laid out for the taps.
struct Input<'a> {
    x: &'a [f32],
    frames: usize,
    shape: ConvShape,
    /// Length of a row of the tile's input. A channel has one row for every remainder of its frames
    /// modulo the stride, so that each tap reads neighbouring frames.
    row: usize,
    /// Offset, within a channel of the tile's input, that each tap reads for the first frame.
    taps: Vec<usize>,
}

impl<'a> Input<'a> {
    fn new(x: &'a [f32], frames: usize, shape: ConvShape, kernel: usize) -> Self {
        let ConvShape {
            stride, dilation, ..
        } = shape;
        let row = FRAMES + (kernel - 1) * dilation / stride;
        let tap = |tap| tap * dilation % stride * row + tap * dilation / stride;
        Self {
            x,
            frames,
            shape,
            row,
            taps: (0..kernel).map(tap).collect(),
        }
    }

    /// Elements of a channel of the tile's input.
    fn channel(&self) -> usize {
        self.row * self.shape.stride
    }

    /// The input of the tile of output frames from `first` on, of all `channels` of a unit, padded
    /// with zeros.
    fn tile(&self, unit: usize, channels: usize, first: usize) -> Vec<f32> {
        let ConvShape { left, stride, .. } = self.shape;
        let x = &self.x[unit * channels * self.frames..][..channels * self.frames];
        let mut tile = vec![0f32; channels * self.channel()];
        // The tile begins `begin` frames into the padded input.
        let begin = first * stride;
        let from = left.saturating_sub(begin);
        let input = (begin + from).saturating_sub(left).min(self.frames);
        let rows = tile.chunks_exact_mut(self.channel());
        for (row, x) in rows.zip(x.chunks_exact(self.frames)) {
            let count = row.len().saturating_sub(from).min(self.frames - input);
            let x = &x[input..][..count];
            if stride == 1 {
                row[from.min(self.row)..][..count].copy_from_slice(x);
                continue;
            }
            for (i, &x) in x.iter().enumerate() {
                row[(from + i) % stride * self.row + (from + i) / stride] = x;
            }
        }
        tile
    }
}

/// A tile of output frames for some output channels of one group.
struct Task<'a> {
    conv: &'a ConvKernel,
    input: &'a Input<'a>,
    residual: Option<&'a [f32]>,
    /// Index of the group, counted over the whole batch.
    unit: usize,
    /// The first output channel, within the group.
    channel: usize,
    /// The first output frame.
    first: usize,
    out_frames: usize,
    /// Where the output goes, by channel.
    rows: Vec<&'a mut [f32]>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut rows = std::mem::take(&mut self.rows);
        let conv = self.conv;
        let x = self.input.tile(self.unit, conv.group_in, self.first);
        let group = self.unit % conv.groups;
        let block_weights = conv.group_in * conv.kernel;
        let group_blocks = conv.group_out.div_ceil(BLOCK);
        let mut sums = [0f32; BLOCK * FRAMES];
        for (i, rows) in rows.chunks_mut(BLOCK).enumerate() {
            let channel = self.channel + i * BLOCK;
            let block = group * group_blocks + channel / BLOCK;
            let weight = &conv.weight[block * block_weights..][..block_weights];
            let frames = rows.first().map_or(0, |row| row.len());
            let mut first = 0;
            while first < frames {
                let vectors = (frames - first).div_ceil(S::F32_LANES).min(VECTORS);
                let count = (frames - first).min(vectors * S::F32_LANES);
                let block = Block {
                    x: &x[first..],
                    channel: self.input.channel(),
                    taps: &self.input.taps,
                    weight,
                };
                // As many sums as the registers hold.
                if S::REGISTER_COUNT >= 32 {
                    match vectors {
                        1 => block.sums::<S, 8, 1>(simd, 0, &mut sums),
                        2 => block.sums::<S, 8, 2>(simd, 0, &mut sums),
                        _ => block.sums::<S, 8, 3>(simd, 0, &mut sums),
                    }
                } else {
                    for half in [0, 4] {
                        match vectors {
                            1 => block.sums::<S, 4, 1>(simd, half, &mut sums),
                            2 => block.sums::<S, 4, 2>(simd, half, &mut sums),
                            _ => block.sums::<S, 4, 3>(simd, half, &mut sums),
                        }
                    }
                }
                let sums = sums.chunks_exact(vectors * S::F32_LANES);
                for (o, (row, sums)) in rows.iter_mut().zip(sums).enumerate() {
                    self.finish(&mut row[first..first + count], sums, channel + o, first);
                }
                first += count;
            }
        }
    }
}

impl Task<'_> {
    /// Writes sums, bias and residual to `row`: the frames from `first` on of one channel.
    #[inline(always)]
    fn finish(&self, row: &mut [f32], sums: &[f32], channel: usize, first: usize) {
        let conv = self.conv;
        let bias = conv.bias[self.unit % conv.groups * conv.group_out + channel];
        let Some(residual) = self.residual else {
            for (y, sum) in row.iter_mut().zip(sums) {
                *y = sum + bias;
            }
            return;
        };
        let channel = self.unit * conv.group_out + channel;
        let residual = &residual[channel * self.out_frames + self.first + first..];
        for ((y, sum), residual) in row.iter_mut().zip(sums).zip(residual) {
            *y = sum + bias + residual;
        }
    }
}

/// The operands of one block of sums.
struct Block<'a> {
    /// The tile's input, from the first frame of the block on.
    x: &'a [f32],
    /// Elements of a channel of `x`.
    channel: usize,
    taps: &'a [usize],
    /// Weights of the block, [input channels × kernel].
    weight: &'a [[f32; BLOCK]],
}

impl Block<'_> {
    /// Computes `V` vectors of frames for `OUT` output channels, into the same rows of `out`; the
    /// channels begin with number `from` of the block.
    #[inline(always)]
    fn sums<S: Simd, const OUT: usize, const V: usize>(
        &self,
        simd: S,
        from: usize,
        out: &mut [f32; BLOCK * FRAMES],
    ) {
        let zeros = [[simd.splat_f32s(0.0); V]; OUT];
        let mut totals = zeros;
        let kernel = self.taps.len();
        let run = (RUN / kernel).max(1);
        let mut weight = self.weight;
        let mut start = 0;
        while !weight.is_empty() {
            let (now, rest) = weight.split_at((run * kernel).min(weight.len()));
            let mut sums = zeros;
            for taps in now.chunks_exact(kernel) {
                for (weight, tap) in taps.iter().zip(self.taps) {
                    let x = &self.x[start + tap..][..V * S::F32_LANES];
                    let (x, _) = S::as_simd_f32s(x);
                    for o in 0..OUT {
                        let weight = simd.splat_f32s(weight[from + o]);
                        for v in 0..V {
                            sums[o][v] = simd.mul_add_e_f32s(weight, x[v], sums[o][v]);
                        }
                    }
                }
                start += self.channel;
            }
            for (totals, sums) in totals.iter_mut().zip(sums) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = simd.add_f32s(*total, sum);
                }
            }
            weight = rest;
        }
        let (vectors, _) = S::as_mut_simd_f32s(out);
        vectors[from * V..][..OUT * V].copy_from_slice(totals.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processors differ in vector width and in the number of registers.
    #[test]
    fn every_vector_width_gives_the_same_convolution() {
        let (inputs, kernel, frames) = (5, 3, 2 * FRAMES + 21);
        let shape = ConvShape {
            left: 4,
            right: 0,
            stride: 1,
            dilation: 2,
        };
        let wave =
            |n: usize, step: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * step).sin()).collect() };
        let outputs = 2 * BLOCK + 3;
        let weight = wave(outputs * inputs * kernel, 0.7);
        let conv = ConvKernel::new(&weight, wave(outputs, 0.3), (inputs, kernel), 1);
        let x = wave(inputs * frames, 0.11);
        let residual = wave(outputs * frames, 0.05);
        let widest = conv.run(&x, frames, shape, Some(&residual));
        let agrees = |other: Vec<f32>| {
            let apart = other.iter().zip(&widest).map(|(a, b)| (a - b).abs());
            assert_eq!(other.len(), outputs * frames);
            assert!(apart.fold(0.0, f32::max) < 1e-6);
        };
        let run = |run: &(dyn Fn(Task<'_>) + Sync)| {
            agrees(conv.run_tasks(&x, frames, shape, Some(&residual), run));
        };
        run(&|task| task.with_simd(pulp::Scalar::new()));
        #[cfg(target_arch = "x86_64")]
        match pulp::x86::V3::try_new() {
            Some(simd) => run(&|task| simd.vectorize(|| task.with_simd(simd))),
            None => eprintln!("SKIPPED: no AVX2 here"),
        }
    }
}
