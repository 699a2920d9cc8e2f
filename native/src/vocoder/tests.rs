//! A small vocoder with random weights: what must hold whatever the weights.

use candle_core::{DType, Device, Tensor};

use crate::noise::VocoderNoise;
use crate::random_weights::random_weights;
use crate::stage::Stage;
use crate::tap::{NoTap, Tap};
use crate::vocoder::{F0Config, IstftConfig, Vocoder, VocoderConfig};
use crate::weights::Builder;
use crate::{Error, Portion, Result};

const SAMPLES_PER_FRAME: usize = 24;

fn config() -> VocoderConfig {
    VocoderConfig {
        in_channels: 5,
        base_channels: 16,
        nb_harmonics: 2,
        sampling_rate: 24_000,
        nsf_alpha: 0.1,
        nsf_sigma: 0.003,
        nsf_voiced_threshold: 10.0,
        upsample_rates: vec![3, 2],
        upsample_kernel_sizes: vec![7, 4],
        istft_params: IstftConfig {
            n_fft: 16,
            hop_len: 4,
        },
        resblock_kernel_sizes: vec![3, 5],
        resblock_dilation_sizes: vec![vec![1, 2], vec![1, 3]],
        source_resblock_kernel_sizes: vec![3, 5],
        source_resblock_dilation_sizes: vec![vec![1, 2], vec![1, 3]],
        lrelu_slope: 0.1,
        audio_limit: 0.99,
        conv_pre_look_right: 4,
        f0: F0Config {
            in_channels: 5,
            cond_channels: 7,
        },
    }
}

const NOISE: VocoderNoise = VocoderNoise {
    skipped_draws: 1_205_814,
    sines: 3,
};

fn vocoder(weights: Builder) -> Result<Vocoder> {
    Ok(Vocoder::new(&config(), NOISE, weights)?)
}

fn mel(frames: usize) -> Result<Tensor> {
    // By channel and time, so that a longer mel begins like a shorter one.
    let value = |c: usize, t: usize| (1.7 * c as f32 + 0.61 * t as f32).sin();
    let values: Vec<f32> = (0..5)
        .flat_map(|c| (0..frames).map(move |t| value(c, t)))
        .collect();
    Ok(Tensor::from_vec(values, (5, frames), &Device::Cpu)?)
}

fn apart(a: &Tensor, b: &Tensor) -> Result<f64> {
    let wide = |t: &Tensor| t.to_dtype(DType::F64);
    Ok((wide(a)? - wide(b)?)?.abs()?.max_all()?.to_scalar()?)
}

#[test]
fn lengths_follow_from_frames_and_context() -> Result<()> {
    let vocoder = vocoder(random_weights())?;
    let wave = vocoder.inference(&mel(11)?, Portion::Final, &mut NoTap)?;
    assert_eq!(wave.dims(), [11 * SAMPLES_PER_FRAME]);
    // Three frames of context for F0, four for the mel, and one held back.
    let wave = vocoder.inference(&mel(11)?, Portion::Partial, &mut NoTap)?;
    assert_eq!(wave.dims(), [3 * SAMPLES_PER_FRAME]);
    assert_eq!(
        vocoder.f0(&mel(11)?, Portion::Partial, &mut NoTap)?.dims(),
        [8]
    );
    assert_eq!(
        vocoder.f0(&mel(11)?, Portion::Final, &mut NoTap)?.dims(),
        [11]
    );
    Ok(())
}

#[test]
fn a_wave_that_is_to_go_on_begins_like_the_whole_one() -> Result<()> {
    let vocoder = vocoder(random_weights())?;
    let whole = vocoder.inference(&mel(30)?, Portion::Final, &mut NoTap)?;
    let begun = vocoder.inference(&mel(21)?, Portion::Partial, &mut NoTap)?;
    assert_eq!(begun.dims(), [13 * SAMPLES_PER_FRAME]);
    assert!(apart(&whole.narrow(0, 0, begun.dim(0)?)?, &begun)? < 1e-6);
    let peak = begun.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(peak > 1e-3 && peak <= 0.99, "{peak}");
    Ok(())
}

#[test]
fn float32_kernels_agree_with_float64() -> Result<()> {
    let (f32, f64) = (
        vocoder(random_weights())?,
        vocoder(random_weights().in_float64())?,
    );
    let source = f32.source(&f32.f0(&mel(12)?, Portion::Final, &mut NoTap)?)?;
    let error = apart(
        &f32.decode(&mel(12)?, &source, Portion::Final, &mut NoTap)?,
        &f64.decode(&mel(12)?, &source, Portion::Final, &mut NoTap)?,
    )?;
    assert!(error < 1e-6, "{error}");
    Ok(())
}

#[test]
fn a_tap_that_wants_layers_receives_every_block() -> Result<()> {
    struct Names(Vec<String>);
    impl Tap for Names {
        fn stage(&mut self, stage: Stage, _: &Tensor) -> Result<()> {
            self.0.push(stage.to_string());
            Ok(())
        }
        fn wants_layers(&self, _: Stage) -> bool {
            true
        }
        fn layer(&mut self, stage: Stage, name: &str, _: &Tensor) -> Result<()> {
            self.0.push(format!("{stage}/{name}"));
            Ok(())
        }
    }
    let mut tap = Names(Vec::new());
    vocoder(random_weights())?.inference(&mel(6)?, Portion::Final, &mut tap)?;
    let parts = "stft conv_pre up.0 source_branch.0 resblock.0.0 resblock.0.1 up.1 \
                 source_branch.1 resblock.1.0 resblock.1.1 conv_post";
    let mut wanted: Vec<_> = (0..5).map(|i| format!("vocoder.f0/condnet.{i}")).collect();
    wanted.extend(["vocoder.f0", "vocoder.source"].map(str::to_owned));
    wanted.extend(parts.split_whitespace().map(|s| format!("vocoder.wav/{s}")));
    wanted.push("vocoder.wav".to_owned());
    assert_eq!(tap.0, wanted);
    Ok(())
}

#[test]
fn what_the_vocoder_cannot_be_given_is_said() -> Result<()> {
    let vocoder = vocoder(random_weights())?;
    let message = |result: Result<Tensor>| match result {
        Err(Error::Input(message)) => message,
        other => panic!("{other:?}"),
    };
    let transposed = mel(11)?.t()?.contiguous()?;
    assert!(message(vocoder.f0(&transposed, Portion::Final, &mut NoTap)).contains("11 channels"));
    assert!(message(vocoder.f0(&mel(3)?, Portion::Partial, &mut NoTap)).contains("more than 3"));
    assert!(
        message(vocoder.inference(&mel(8)?, Portion::Partial, &mut NoTap)).contains("more than 5")
    );
    assert!(message(vocoder.inference(&mel(0)?, Portion::Final, &mut NoTap)).contains("0 frame"));
    let source = vocoder.source(&vocoder.f0(&mel(6)?, Portion::Final, &mut NoTap)?)?;
    assert!(
        message(vocoder.decode(&mel(7)?, &source, Portion::Final, &mut NoTap)).contains("[168]")
    );
    let too_long = Tensor::zeros(300_001, DType::F32, &Device::Cpu)?;
    assert!(message(vocoder.source(&too_long)).contains("7200000"));
    Ok(())
}

#[test]
fn a_configuration_that_does_not_fit_itself_is_refused() {
    let build = |config: VocoderConfig| Vocoder::new(&config, NOISE, random_weights()).is_err();
    let mut harmonics = config();
    harmonics.nb_harmonics = 8;
    let mut kernels = config();
    kernels.upsample_kernel_sizes.pop();
    let mut dilations = config();
    dilations.resblock_dilation_sizes.pop();
    assert!(!build(config()) && build(harmonics) && build(kernels) && build(dilations));
}
