use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::leaky_relu;

use crate::Portion;
use crate::ops::Conv1d;
use crate::tap::Layers;
use crate::vocoder::VocoderConfig;
use crate::vocoder::resblock::ResBlock;
use crate::vocoder::stft::Stft;
use crate::vocoder::weight_norm::weight_norm_conv;
use crate::weights::Builder;

/// Kernel of the last convolution.
const POST_KERNEL: usize = 7;
/// Slope of the last leaky ReLU, where the reference leaves it to torch's default.
const LAST_SLOPE: f64 = 0.01;
/// The magnitude of a spectral bin is clipped here.
const MAX_MAGNITUDE: f64 = 100.0;

/// The generator: mel and source in, wave out (reference: `CausalHiFTGenerator.decode`).
pub(super) struct Generator {
    pre: Conv1d,
    upsamplings: Vec<Upsampling>,
    post: Conv1d,
    stft: Stft,
    slope: f64,
    limit: f64,
    /// STFT frames of one mel frame.
    rate: usize,
    hop: usize,
    place: (DType, Device),
}

/// One upsampling, with its share of the source and the residual blocks that follow.
struct Upsampling {
    rate: usize,
    up: Conv1d,
    source_down: Conv1d,
    source_rate: usize,
    source_block: ResBlock,
    blocks: Vec<ResBlock>,
}

impl Generator {
    pub(super) fn new(config: &VocoderConfig, vb: Builder) -> Result<Self> {
        let bins = config.istft_params.n_fft + 2;
        let channels = |i: usize| config.base_channels >> i;
        let upsampling = |i: usize| {
            let (rate, kernel) = (config.upsample_rates[i], config.upsample_kernel_sizes[i]);
            let (before, after) = (channels(i), channels(i + 1));
            // The source is sampled at the rate of the last stage.
            let source_rate: usize = config.upsample_rates[i + 1..].iter().product();
            let source_kernel = if source_rate == 1 { 1 } else { 2 * source_rate };
            let down = vb.pp("source_downs").pp(i);
            let source_down = Conv1d::load(bins, after, source_kernel, 1, down)?;
            let per_stage = config.resblock_kernel_sizes.len();
            let blocks = config
                .resblock_kernel_sizes
                .iter()
                .zip(&config.resblock_dilation_sizes);
            let block = |(j, (&kernel, dilations)): (usize, (&usize, &Vec<usize>))| {
                let vb = vb.pp("resblocks").pp(i * per_stage + j);
                ResBlock::new(after, kernel, dilations, vb)
            };
            Ok(Upsampling {
                rate,
                up: weight_norm_conv(before, after, kernel, vb.pp("ups").pp(i))?,
                source_down: source_down.with_stride(source_rate),
                source_rate,
                source_block: ResBlock::new(
                    after,
                    config.source_resblock_kernel_sizes[i],
                    &config.source_resblock_dilation_sizes[i],
                    vb.pp("source_resblocks").pp(i),
                )?,
                blocks: blocks.enumerate().map(block).collect::<Result<_>>()?,
            })
        };
        let count = config.upsample_rates.len();
        let last = channels(count);
        Ok(Self {
            pre: weight_norm_conv(
                config.in_channels,
                config.base_channels,
                config.conv_pre_look_right + 1,
                vb.pp("conv_pre"),
            )?,
            upsamplings: (0..count).map(upsampling).collect::<Result<_>>()?,
            post: weight_norm_conv(last, bins, POST_KERNEL, vb.pp("conv_post"))?,
            stft: Stft::new(&config.istft_params, vb.dtype(), vb.device(), vb.kernels())?,
            slope: config.lrelu_slope,
            limit: config.audio_limit,
            rate: config.upsample_rates.iter().product(),
            hop: config.istft_params.hop_len,
            place: (vb.dtype(), vb.device().clone()),
        })
    }

    /// Mel frames that are context only while more are to come.
    pub(super) fn lookahead(&self) -> usize {
        self.pre.context()
    }

    /// Mel [channels, frames] and source `[samples]` to the wave `[samples]`, float32. Of a partial
    /// mel, the last frames are context only, and one more frame is left to the next call.
    pub(super) fn forward(
        &self,
        mel: &Tensor,
        source: &Tensor,
        portion: Portion,
        layers: &mut Layers<'_>,
    ) -> crate::Result<Tensor> {
        let bring = |x: &Tensor| x.to_device(&self.place.1)?.to_dtype(self.place.0);
        let mut spectrum = self.stft.forward(&bring(source)?)?;
        layers.record("stft", &spectrum)?;
        let lookahead = self.lookahead();
        let mel = bring(mel)?.unsqueeze(0)?;
        let withheld = portion.withheld(lookahead);
        if withheld > 0 {
            let frames = spectrum.dim(2)? - self.rate * withheld;
            spectrum = spectrum.narrow(2, 0, frames)?.contiguous()?;
        }
        let mut x = self.pre.forward(&mel, 0, lookahead - withheld)?;
        layers.record("conv_pre", &x)?;
        for (i, upsampling) in self.upsamplings.iter().enumerate() {
            x = leaky_relu(&x, self.slope)?;
            x = upsampling.up.causal(&repeat(&x, upsampling.rate)?)?;
            layers.record(format_args!("up.{i}"), &x)?;
            if i + 1 == self.upsamplings.len() {
                // One reflected frame, because the STFT has one frame more than the hops.
                x = Tensor::cat(&[&x.narrow(2, 1, 1)?, &x], 2)?;
            }
            let source =
                upsampling
                    .source_down
                    .forward(&spectrum, upsampling.source_rate - 1, 0)?;
            let source = upsampling.source_block.forward(&source)?;
            layers.record(format_args!("source_branch.{i}"), &source)?;
            x = (x + source)?;
            let mut sum: Option<Tensor> = None;
            for (j, block) in upsampling.blocks.iter().enumerate() {
                let y = block.forward(&x)?;
                layers.record(format_args!("resblock.{i}.{j}"), &y)?;
                sum = Some(match sum {
                    None => y,
                    Some(sum) => (sum + y)?,
                });
            }
            if let Some(sum) = sum {
                x = (sum / upsampling.blocks.len() as f64)?;
            }
        }
        x = self.post.causal(&leaky_relu(&x, LAST_SLOPE)?)?;
        layers.record("conv_post", &x)?;
        let wave = self.stft.inverse(&self.spectrum(&x)?)?;
        let samples = wave.dim(0)? - portion.withheld(self.rate * self.hop);
        let wave = wave.narrow(0, 0, samples)?.clamp(-self.limit, self.limit)?;
        Ok(wave.to_dtype(DType::F32)?)
    }

    /// Log magnitudes and what passes for phases to real and imaginary parts.
    fn spectrum(&self, x: &Tensor) -> Result<Tensor> {
        let bins = self.stft.bins();
        let magnitude = x.narrow(1, 0, bins)?.exp()?.minimum(MAX_MAGNITUDE)?;
        let phase = x.narrow(1, bins, bins)?.sin()?;
        Tensor::cat(
            &[(&magnitude * phase.cos()?)?, (&magnitude * phase.sin()?)?],
            1,
        )
    }
}

/// Every frame `times` times.
fn repeat(x: &Tensor, times: usize) -> Result<Tensor> {
    let (batch, channels, frames) = x.dims3()?;
    x.unsqueeze(3)?
        .broadcast_as((batch, channels, frames, times))?
        .reshape((batch, channels, frames * times))
}
