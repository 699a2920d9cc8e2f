//! CosyVoice 3, as published in Fun-CosyVoice3-0.5B.

use super::{EndOfPrompt, Family, Files, Marks};
use crate::model_dir::ModelConfig;
use crate::noise::{
    VOCODER_SAMPLES, conv_draws, embedding_draws, flow_noise_draws, linear_draws, normal_draws,
};

/// Everything that is particular to CosyVoice 3.
pub(super) static FAMILY: Family = Family {
    name: "CosyVoice 3",
    example: "Fun-CosyVoice3-0.5B",
    files: Files {
        yaml: "cosyvoice3.yaml",
        llm: &["llm.pt", "llm.safetensors"],
        llm_rl: &["llm.rl.pt", "llm.rl.safetensors"],
        flow: &["flow.pt", "flow.safetensors"],
        vocoder: &["hift.pt", "hift.safetensors"],
        speaker_encoder: &["campplus.onnx"],
        speech_tokenizer: &["speech_tokenizer_v3.onnx"],
        text_tokenizer: "CosyVoice-BlankEN",
        saved_speakers: "spk2info.pt",
        text_rules: "text_rules",
    },
    classes: &[
        ("llm", "CosyVoice3LM"),
        ("llm.llm", "Qwen2Encoder"),
        ("llm.sampling", "ras_sampling"),
        ("flow", "CausalMaskedDiffWithDiT"),
        ("flow.decoder", "CausalConditionalCFM"),
        ("flow.decoder.estimator", "DiT"),
        ("hift", "CausalHiFTGenerator"),
        ("hift.f0_predictor", "CausalConvRNNF0Predictor"),
    ],
    // The reference masks `speech_token_size` before the minimum length. That was the end of speech
    // in CosyVoice 2 and is the start of a sequence here, so speech may end too early.
    marks: Marks {
        count: 200,
        start_of_sequence: 0,
        end_of_speech: 1,
        task: 2,
        fill: 3,
    },
    end_of_prompt: EndOfPrompt {
        token: "<|endofprompt|>",
        id: 151_646,
    },
    silent_tokens: &[1, 2, 28, 29, 55, 248, 494, 2241, 2242, 2322, 2323],
    flow_steps: 10,
    draws_before_vocoder_noise,
    draws_of_constructors,
};

/// The reference builds, after seeding with 0: the flow's noise, its token embedding and speaker
/// projection, the F0 predictor, and then the source module, whose random initial phases come
/// first (they do not affect the sound) and whose noise follows.
fn draws_before_vocoder_noise(config: &ModelConfig) -> u64 {
    let (flow, f0) = (&config.flow, &config.vocoder.f0);
    let channels = f0.cond_channels;
    let draws = flow_noise_draws()
        + embedding_draws(flow.vocab_size, flow.input_size)
        + linear_draws(flow.spk_embed_dim, flow.output_size)
        + conv_draws(f0.in_channels, channels, 4)
        + 4 * conv_draws(channels, channels, 3)
        + linear_draws(channels, 1);
    let initial_phases = config.vocoder.nb_harmonics + 1;
    (draws + initial_phases) as u64
}

/// After the source's noise: its linear layer and the noise of its unvoiced branch, and then the
/// generator's convolutions. Those of upsamplings and residual blocks, and the last one, are
/// initialised a second time, with normals.
fn draws_of_constructors(config: &ModelConfig) -> u64 {
    let vocoder = &config.vocoder;
    let (sines, base) = (vocoder.nb_harmonics + 1, vocoder.base_channels);
    let bins = vocoder.istft_params.n_fft + 2;
    let twice = |inputs, outputs, kernel| {
        conv_draws(inputs, outputs, kernel) + normal_draws(inputs * outputs * kernel)
    };
    let res_block = |channels, kernel, dilations: &Vec<usize>| {
        2 * dilations.len() * twice(channels, channels, kernel)
    };
    let mut draws = VOCODER_SAMPLES * sines + linear_draws(sines, 1) + VOCODER_SAMPLES;
    draws += conv_draws(vocoder.in_channels, base, vocoder.conv_pre_look_right + 1);
    for (stage, &kernel) in vocoder.upsample_kernel_sizes.iter().enumerate() {
        draws += twice(base >> stage, base >> (stage + 1), kernel);
    }
    let mut channels = base;
    for (stage, _) in vocoder.upsample_rates.iter().enumerate() {
        channels = base >> (stage + 1);
        // The source comes in at the rate of this stage, from which the later ones upsample.
        let later: usize = vocoder.upsample_rates.iter().skip(stage + 1).product();
        let kernel = if later == 1 { 1 } else { 2 * later };
        draws += conv_draws(bins, channels, kernel);
        let kernels = &vocoder.resblock_kernel_sizes;
        let of_source = (
            vocoder.source_resblock_kernel_sizes.get(stage),
            vocoder.source_resblock_dilation_sizes.get(stage),
        );
        if let (Some(&kernel), Some(dilations)) = of_source {
            draws += res_block(channels, kernel, dilations);
        }
        for (&kernel, dilations) in kernels.iter().zip(&vocoder.resblock_dilation_sizes) {
            draws += res_block(channels, kernel, dilations);
        }
    }
    draws += twice(channels, bins, 7);
    draws_before_vocoder_noise(config) + draws as u64
}
