use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::noise::VocoderNoise;
use crate::precision::Precision;
use crate::stage::Stage;
use crate::tap::{Layers, Tap};
use crate::vocoder::VocoderConfig;
use crate::vocoder::f0::F0Predictor;
use crate::vocoder::generator::Generator;
use crate::vocoder::source::HarmonicSource;
use crate::weights::{Builder, Weights};
use crate::{Error, Portion, Result, finite};

/// The vocoder: log-mel spectrogram in, 24 kHz speech out (reference: `CausalHiFTGenerator`).
pub struct Vocoder {
    f0: F0Predictor,
    source: HarmonicSource,
    generator: Generator,
    channels: usize,
    samples_per_frame: usize,
    device: Device,
}

impl Vocoder {
    /// Reads `hift.pt` (or the same tensors as `.safetensors`), whose tensors may or may not carry
    /// the prefix `generator.`.
    ///
    /// # Errors
    /// If the file cannot be read, or its tensors are not those of a model of these sizes.
    pub fn load(
        config: &VocoderConfig,
        noise: VocoderNoise,
        weights: &Path,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        Self::from_weights(config, noise, Weights::open(weights)?, device, precision)
    }

    /// Like [`Vocoder::load`], from weights that are already open.
    ///
    /// # Errors
    /// If the tensors are not those of a model of these sizes.
    pub fn from_weights(
        config: &VocoderConfig,
        noise: VocoderNoise,
        weights: Weights,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        let weights = weights.strip_prefix("generator.");
        let vb = weights.builder(precision, device);
        weights.finish(Self::new(config, noise, vb), |_| false)
    }

    /// Builds the networks from the tensors of `vb`.
    ///
    /// # Errors
    /// If the sizes cannot be computed with, or a tensor is missing or has another shape.
    pub fn new(
        config: &VocoderConfig,
        noise: VocoderNoise,
        vb: Builder,
    ) -> candle_core::Result<Self> {
        check(config)?;
        let device = vb.device().clone();
        Ok(Self {
            f0: F0Predictor::new(&config.f0, vb.pp("f0_predictor"))?,
            source: HarmonicSource::new(config, noise, vb.pp("m_source"))?,
            generator: Generator::new(config, vb)?,
            channels: config.in_channels,
            samples_per_frame: config.samples_per_frame(),
            device,
        })
    }

    /// Fundamental frequency in Hz, `[frames]`, of a mel [80, frames]. Computed in float64. The
    /// layers of `vocoder.f0` are handed to `tap`.
    ///
    /// Of a partial mel, the last three frames are context only and give none.
    ///
    /// # Errors
    /// If the mel has other channels than the network, or too few frames.
    pub fn f0(&self, mel: &Tensor, portion: Portion, tap: &mut dyn Tap) -> Result<Tensor> {
        self.check(mel, portion.withheld(self.f0.lookahead()))?;
        let mut layers = Layers::of(tap, Stage::VocoderF0);
        self.f0.forward(mel, portion, &mut layers)
    }

    /// The harmonic source, `[samples]`, of an F0 in Hz, `[frames]`.
    ///
    /// # Errors
    /// If `f0` has another shape, or would be longer than the reference's noise.
    pub fn source(&self, f0: &Tensor) -> Result<Tensor> {
        let f0: Vec<f32> = f0
            .to_device(&Device::Cpu)?
            .to_dtype(DType::F32)?
            .to_vec1()?;
        Ok(Tensor::new(self.source.forward(&f0)?, &self.device)?)
    }

    /// The wave, `[samples]`, of a mel [80, frames] and its source [frames × 480]. The layers of
    /// `vocoder.wav` are handed to `tap`.
    ///
    /// Of a partial mel, the last four frames are context only, and one more is held back because
    /// its end depends on what follows.
    ///
    /// # Errors
    /// If mel and source do not fit each other or the network.
    pub fn decode(
        &self,
        mel: &Tensor,
        source: &Tensor,
        portion: Portion,
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        self.check(mel, portion.withheld(self.generator.lookahead() + 1))?;
        let samples = mel.dim(1)? * self.samples_per_frame;
        if source.dims() != [samples] {
            return Err(Error::input(format!(
                "the source has shape {:?}, the mel asks for [{samples}]",
                source.dims()
            )));
        }
        let mut layers = Layers::of(tap, Stage::VocoderWav);
        self.generator.forward(mel, source, portion, &mut layers)
    }

    /// The whole way from a mel [80, frames] to the wave `[samples]`, handing out `vocoder.f0`,
    /// `vocoder.source` and `vocoder.wav`.
    ///
    /// The wave of a partial mel lacks its last eight frames, which need context yet to come.
    ///
    /// # Errors
    /// If the mel does not fit the network, a stage has values that are not finite, or the tap
    /// fails.
    pub fn inference(&self, mel: &Tensor, portion: Portion, tap: &mut dyn Tap) -> Result<Tensor> {
        let stages = self.infer(mel, portion, tap)?;
        // The later ones can hide what is wrong with the earlier: a NaN counts as unvoiced.
        for (stage, value) in &stages {
            finite::check(*stage, value, |search| {
                self.infer(mel, portion, search).map(drop)
            })?;
        }
        let [_, _, (_, wave)] = stages;
        Ok(wave)
    }

    /// Every stage with what it gave, the wave last.
    fn infer(
        &self,
        mel: &Tensor,
        portion: Portion,
        tap: &mut dyn Tap,
    ) -> Result<[(Stage, Tensor); 3]> {
        let f0 = self.f0(mel, portion, tap)?;
        tap.stage(Stage::VocoderF0, &f0)?;
        let source = self.source(&f0)?;
        tap.stage(Stage::VocoderSource, &source)?;
        let mel = mel.narrow(1, 0, f0.dim(0)?)?;
        let wave = self.decode(&mel, &source, portion, tap)?;
        tap.stage(Stage::VocoderWav, &wave)?;
        Ok([
            (Stage::VocoderF0, f0),
            (Stage::VocoderSource, source),
            (Stage::VocoderWav, wave),
        ])
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
