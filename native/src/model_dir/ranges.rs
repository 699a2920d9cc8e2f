//! The range of every number of a configuration.
//!
//! The published model lies far inside. Beyond, a number is a slip or an attack: it would be divided
//! by, or memory be allocated by it, before any weight could contradict it.

use std::ops::RangeInclusive;

use crate::audio::MEL_HOP;
use crate::flow::FlowConfig;
use crate::llm::{LmConfig, QwenConfig};
use crate::vocoder::{IstftConfig, VocoderConfig};

const WIDTH: RangeInclusive<usize> = 1..=1 << 16;
const VOCABULARY: RangeInclusive<usize> = 1..=1 << 22;
const KERNEL: RangeInclusive<usize> = 1..=1024;
/// Entries of a list, such as the upsamplings.
const ENTRIES: RangeInclusive<usize> = 1..=16;

pub(super) fn check_llm(llm: &LmConfig) -> Result<(), String> {
    let sampling = &llm.sampling;
    whole(&[
        ("llm.speech_token_size", llm.speech_token_size, VOCABULARY),
        ("llm.mix_ratio", llm.mix_ratio[0], 1..=1000),
        ("llm.mix_ratio", llm.mix_ratio[1], 1..=1000),
        ("llm.sampling.top_k", sampling.top_k, VOCABULARY),
        ("llm.sampling.win_size", sampling.win_size, 0..=100_000),
    ])?;
    real(&[
        ("llm.sampling.top_p", sampling.top_p, 0.0..=1.0),
        ("llm.sampling.tau_r", sampling.tau_r, 0.0..=1.0),
    ])
}

pub(super) fn check_flow(flow: &FlowConfig) -> Result<(), String> {
    let dit = &flow.estimator;
    let channels = flow.pre_lookahead_channels;
    whole(&[
        ("flow.input_size", flow.input_size, WIDTH),
        ("flow.output_size", flow.output_size, WIDTH),
        ("flow.spk_embed_dim", flow.spk_embed_dim, WIDTH),
        ("flow.vocab_size", flow.vocab_size, VOCABULARY),
        ("flow.token_mel_ratio", flow.token_mel_ratio, 1..=16),
        ("flow.pre_lookahead_len", flow.pre_lookahead_len, 0..=64),
        ("flow.pre_lookahead_layer.channels", channels, WIDTH),
        ("flow.decoder.estimator.dim", dit.dim, WIDTH),
        ("flow.decoder.estimator.depth", dit.depth, 1..=1024),
        ("flow.decoder.estimator.heads", dit.heads, 1..=1024),
        ("flow.decoder.estimator.dim_head", dit.dim_head, 1..=1024),
        ("flow.decoder.estimator.ff_mult", dit.ff_mult, 1..=64),
        ("flow.decoder.estimator.mel_dim", dit.mel_dim, WIDTH),
        ("flow.decoder.estimator.mu_dim", dit.mu_dim, WIDTH),
        ("flow.decoder.estimator.spk_dim", dit.spk_dim, WIDTH),
        (
            "flow.decoder.estimator.out_channels",
            dit.out_channels,
            WIDTH,
        ),
        (
            "flow.decoder.estimator.static_chunk_size",
            dit.static_chunk_size,
            1..=100_000,
        ),
    ])?;
    real(&[(
        "flow.decoder.cfm_params.content.inference_cfg_rate",
        flow.inference_cfg_rate,
        0.0..=100.0,
    )])
}

pub(super) fn check_vocoder(hift: &VocoderConfig) -> Result<(), String> {
    let IstftConfig { n_fft, hop_len } = hift.istft_params;
    whole(&[
        ("hift.in_channels", hift.in_channels, WIDTH),
        ("hift.base_channels", hift.base_channels, WIDTH),
        ("hift.nb_harmonics", hift.nb_harmonics, 0..=256),
        ("hift.istft_params.n_fft", n_fft, 2..=1024),
        ("hift.istft_params.hop_len", hop_len, 1..=1024),
        ("hift.conv_pre_look_right", hift.conv_pre_look_right, 0..=64),
        ("hift.f0_predictor.in_channels", hift.f0.in_channels, WIDTH),
        (
            "hift.f0_predictor.cond_channels",
            hift.f0.cond_channels,
            WIDTH,
        ),
    ])?;
    real(&[
        ("hift.nsf_alpha", hift.nsf_alpha, 0.0..=100.0),
        ("hift.nsf_sigma", hift.nsf_sigma, 0.0..=100.0),
        (
            "hift.nsf_voiced_threshold",
            hift.nsf_voiced_threshold,
            0.0..=1e5,
        ),
        ("hift.lrelu_slope", hift.lrelu_slope, 0.0..=1.0),
        ("hift.audio_limit", hift.audio_limit, 1e-6..=100.0),
    ])?;
    let kernels = &hift.upsample_kernel_sizes;
    let source_kernels = &hift.source_resblock_kernel_sizes;
    list("hift.upsample_rates", &hift.upsample_rates, 1..=64)?;
    list("hift.upsample_kernel_sizes", kernels, KERNEL)?;
    list(
        "hift.resblock_kernel_sizes",
        &hift.resblock_kernel_sizes,
        KERNEL,
    )?;
    list("hift.source_resblock_kernel_sizes", source_kernels, KERNEL)?;
    for (key, blocks) in [
        (
            "hift.resblock_dilation_sizes",
            &hift.resblock_dilation_sizes,
        ),
        (
            "hift.source_resblock_dilation_sizes",
            &hift.source_resblock_dilation_sizes,
        ),
    ] {
        within(&format!("number of `{key}`"), blocks.len(), &ENTRIES)?;
        for dilations in blocks {
            list(key, dilations, KERNEL)?;
        }
    }
    let stages = hift.upsample_rates.len();
    if hift.base_channels >> stages == 0 {
        return Err(format!(
            "`hift.base_channels` is {}, which cannot be halved {stages} times",
            hift.base_channels
        ));
    }
    let frame = hift.upsample_rates.iter().product::<usize>() * hop_len;
    if frame != MEL_HOP {
        return Err(format!(
            "`hift.upsample_rates` and `hift.istft_params.hop_len` make {frame} samples of a mel \
             frame, which has {MEL_HOP}"
        ));
    }
    Ok(())
}

pub(super) fn check_qwen(qwen: &QwenConfig) -> Result<(), String> {
    whole(&[
        ("vocab_size", qwen.vocab_size, VOCABULARY),
        ("hidden_size", qwen.hidden_size, WIDTH),
        ("intermediate_size", qwen.intermediate_size, 1..=1 << 20),
        ("num_hidden_layers", qwen.num_hidden_layers, 1..=1024),
        ("num_attention_heads", qwen.num_attention_heads, 1..=1024),
        ("num_key_value_heads", qwen.num_key_value_heads, 1..=1024),
        (
            "max_position_embeddings",
            qwen.max_position_embeddings,
            1..=1 << 22,
        ),
    ])?;
    real(&[
        ("rope_theta", qwen.rope_theta, 1.0..=1e12),
        ("rms_norm_eps", qwen.rms_norm_eps, 1e-12..=0.1),
    ])
}

fn whole(numbers: &[(&str, usize, RangeInclusive<usize>)]) -> Result<(), String> {
    numbers
        .iter()
        .try_for_each(|(key, number, range)| within(&format!("`{key}`"), *number, range))
}

fn list(key: &str, numbers: &[usize], range: RangeInclusive<usize>) -> Result<(), String> {
    within(
        &format!("number of entries of `{key}`"),
        numbers.len(),
        &ENTRIES,
    )?;
    let key = format!("entry of `{key}`");
    numbers
        .iter()
        .try_for_each(|&number| within(&key, number, &range))
}

fn within(what: &str, number: usize, range: &RangeInclusive<usize>) -> Result<(), String> {
    if range.contains(&number) {
        return Ok(());
    }
    Err(format!(
        "{what} is {number}, which is not between {} and {}",
        range.start(),
        range.end()
    ))
}

fn real(numbers: &[(&str, f64, RangeInclusive<f64>)]) -> Result<(), String> {
    // NaN is in no range.
    match numbers
        .iter()
        .find(|(_, number, range)| !range.contains(number))
    {
        None => Ok(()),
        Some((key, number, range)) => Err(format!(
            "`{key}` is {number}, which is not between {} and {}",
            range.start(),
            range.end()
        )),
    }
}
