use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::noise::ConstructionSizes;
use crate::precision::Precision;
use crate::tap::{NoTap, Tap};
use crate::vocoder::VocoderConfig;
use crate::vocoder::f0::F0Predictor;
use crate::vocoder::generator::Generator;
use crate::vocoder::source::Source;
use crate::weights::{Builder, Weights};
use crate::{Error, Result};

/// The vocoder: log-mel spectrogram in, 24 kHz speech out (reference: `CausalHiFTGenerator`).
pub struct Vocoder {
    f0: F0Predictor,
    source: Source,
    generator: Generator,
    channels: usize,
    samples_per_frame: usize,
    device: Device,
}

impl Vocoder {
    /// Reads `hift.pt` (or the same tensors as `.safetensors`), whose tensors may or may not carry
    /// the prefix `generator.`.
    pub fn load(
        config: &VocoderConfig,
        noise: &ConstructionSizes,
        weights: &Path,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        let weights = Weights::open(weights)?.strip_prefix("generator.");
        let vb = weights.builder(precision, device);
        weights.finish(Self::new(config, noise, vb), |_| false)
    }

    /// Builds the networks from the tensors of `vb`.
    pub fn new(
        config: &VocoderConfig,
        noise: &ConstructionSizes,
        vb: Builder,
    ) -> candle_core::Result<Self> {
        check(config)?;
        let device = vb.device().clone();
        Ok(Self {
            f0: F0Predictor::new(&config.f0, vb.pp("f0_predictor"))?,
            source: Source::new(config, noise, vb.pp("m_source"))?,
            generator: Generator::new(config, vb)?,
            channels: config.in_channels,
            samples_per_frame: config.samples_per_frame(),
            device,
        })
    }

    /// Fundamental frequency in Hz, `[frames]`, of a mel [80, frames]. Computed in float64.
    ///
    /// Unless `finalize`, the last three frames are context only and give none.
    pub fn f0(&self, mel: &Tensor, finalize: bool) -> Result<Tensor> {
        self.tapped_f0(mel, finalize, &mut NoTap)
    }

    /// Like [`Self::f0`]; a deep tap is handed `vocoder.f0/condnet.0` and following.
    pub fn tapped_f0(&self, mel: &Tensor, finalize: bool, tap: &mut dyn Tap) -> Result<Tensor> {
        let lookahead = if finalize { 0 } else { self.f0.lookahead() };
        self.check(mel, lookahead)?;
        let deep = tap.deep();
        self.f0
            .forward(mel, finalize, &mut |layer, value| match deep {
                true => tap.tensor(&format!("vocoder.f0/condnet.{layer}"), value),
                false => Ok(()),
            })
    }

    /// The harmonic source, `[samples]`, of an F0 in Hz, `[frames]`.
    pub fn source(&self, f0: &Tensor) -> Result<Tensor> {
        let f0: Vec<f32> = f0
            .to_device(&Device::Cpu)?
            .to_dtype(DType::F32)?
            .to_vec1()?;
        Ok(Tensor::new(self.source.forward(&f0)?, &self.device)?)
    }

    /// The wave, `[samples]`, of a mel [80, frames] and its source [frames × 480].
    ///
    /// Unless `finalize`, the last four frames of the mel are context only, and one more is held
    /// back, because its end depends on what follows.
    pub fn decode(&self, mel: &Tensor, source: &Tensor, finalize: bool) -> Result<Tensor> {
        self.tapped_decode(mel, source, finalize, &mut NoTap)
    }

    /// Like [`Self::decode`]; a deep tap is handed `vocoder.wav/stft`, `/conv_pre`, of every
    /// upsampling from 0 on `/up.0`, `/source_branch.0` and `/resblock.0.0` and following, and
    /// `/conv_post`.
    pub fn tapped_decode(
        &self,
        mel: &Tensor,
        source: &Tensor,
        finalize: bool,
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        let held_back = if finalize {
            0
        } else {
            self.generator.lookahead() + 1
        };
        self.check(mel, held_back)?;
        let samples = mel.dim(1)? * self.samples_per_frame;
        if source.dims() != [samples] {
            return Err(Error::input(format!(
                "the source has shape {:?}, the mel asks for [{samples}]",
                source.dims()
            )));
        }
        let deep = tap.deep();
        self.generator
            .forward(mel, source, finalize, &mut |name, value| match deep {
                true => tap.tensor(&format!("vocoder.wav/{name}"), value),
                false => Ok(()),
            })
    }

    /// The whole way from a mel [80, frames] to the wave `[samples]`, handing out `vocoder.f0`,
    /// `vocoder.source` and `vocoder.wav`.
    ///
    /// Unless `finalize`, the wave lacks the last eight frames: they need context yet to come.
    pub fn inference(&self, mel: &Tensor, finalize: bool, tap: &mut dyn Tap) -> Result<Tensor> {
        let f0 = self.tapped_f0(mel, finalize, tap)?;
        tap.tensor("vocoder.f0", &f0)?;
        let source = self.source(&f0)?;
        tap.tensor("vocoder.source", &source)?;
        let mel = mel.narrow(1, 0, f0.dim(0)?)?;
        let wave = self.tapped_decode(&mel, &source, finalize, tap)?;
        tap.tensor("vocoder.wav", &wave)?;
        Ok(wave)
    }

    fn check(&self, mel: &Tensor, held_back: usize) -> Result<()> {
        let (channels, frames) = mel.dims2()?;
        if channels != self.channels {
            return Err(Error::input(format!(
                "the mel has {channels} channels, the vocoder wants {}",
                self.channels
            )));
        }
        if frames <= held_back {
            return Err(Error::input(format!(
                "a mel of {frames} frame(s) gives no sound: more than {held_back} are needed"
            )));
        }
        Ok(())
    }
}

/// Lists of the configuration that must be of one length.
fn check(config: &VocoderConfig) -> candle_core::Result<()> {
    let stages = config.upsample_rates.len();
    let same = [
        config.upsample_kernel_sizes.len(),
        config.source_resblock_kernel_sizes.len(),
        config.source_resblock_dilation_sizes.len(),
    ];
    if stages == 0 || same.iter().any(|&n| n != stages) {
        candle_core::bail!(
            "the configuration names {stages} upsamplings, but {same:?} of their parts"
        );
    }
    if config.resblock_kernel_sizes.len() != config.resblock_dilation_sizes.len() {
        candle_core::bail!(
            "the configuration names residual kernels and dilations in unequal number"
        );
    }
    if config.in_channels != config.f0.in_channels {
        candle_core::bail!("the F0 predictor and the vocoder disagree about the mel channels");
    }
    Ok(())
}

impl VocoderConfig {
    /// Samples of one mel frame.
    pub(super) fn samples_per_frame(&self) -> usize {
        self.upsample_rates.iter().product::<usize>() * self.istft_params.hop_len
    }
}
