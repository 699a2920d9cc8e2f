//! Model directories as they are found on disk: whole, of other versions, and incomplete.

use std::fs;
use std::path::Path;

use native::model_dir::{LmWeights, ModelDir};
use tempfile::TempDir;

/// The sizes of the published model, with the references and tags of its file.
const YAML: &str = include_str!("data/cosyvoice3.yaml");

const QWEN: &str = include_str!("data/qwen2.json");

fn dir_with(yaml: &str, qwen: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("CosyVoice-BlankEN")).unwrap();
    fs::write(dir.path().join("cosyvoice3.yaml"), yaml).unwrap();
    fs::write(dir.path().join("CosyVoice-BlankEN/config.json"), qwen).unwrap();
    dir
}

fn open_error(path: &Path) -> String {
    ModelDir::open(path).unwrap_err().to_string()
}

/// What is said about the published configuration with `from` replaced by `to`.
fn error_with(from: &str, to: &str) -> String {
    assert!(YAML.contains(from) || QWEN.contains(from), "{from}");
    let dir = dir_with(&YAML.replace(from, to), &QWEN.replace(from, to));
    open_error(dir.path())
}

fn touch(dir: &TempDir, names: &[&str]) {
    for name in names {
        fs::write(dir.path().join(name), "").unwrap();
    }
}

#[test]
fn the_published_configuration_is_read() {
    let dir = dir_with(YAML, QWEN);
    let dir = ModelDir::open(dir.path()).unwrap();
    let config = dir.config();
    assert_eq!(config.sample_rate, 24_000);
    assert_eq!(config.llm.vocabulary(), 6761);
    assert_eq!(config.llm.end_of_speech(), 6562);
    assert_eq!(config.llm.sampling.top_p, 0.7);
    assert_eq!(config.llm.sampling.tau_r, 0.1, "the reference's default");
    assert_eq!(config.flow.estimator.static_chunk_size, 50);
    assert_eq!(config.flow.pre_lookahead_channels, 1024);
    assert_eq!(config.flow.inference_cfg_rate, 0.7);
    assert_eq!(config.vocoder.sampling_rate, 24_000);
    assert_eq!(config.vocoder.upsample_rates, [8, 5, 3]);
    assert_eq!(
        config.vocoder.conv_pre_look_right, 4,
        "the reference's default"
    );
    assert_eq!(config.vocoder.f0.cond_channels, 512);
    assert_eq!(config.qwen.head_dim(), 64);
    let noise = config.vocoder_noise();
    assert_eq!((noise.skipped_draws, noise.sines), (5_052_961 + 9, 9));
}

#[test]
fn the_generator_after_loading_is_where_the_references_constructors_leave_it() {
    // `torch.rand(4)`, as bits, after the reference's `AutoModel(model_dir="out/tiny-7")`.
    let model = ModelDir::open(crate::model::tiny()).expect("the tiny model");
    let multinomial = native::torch_rng::Multinomial::default();
    let mut rng = model.config().generator_after_loading(multinomial);
    let drawn = [(); 4].map(|()| rng.uniform_f32().to_bits());
    assert_eq!(
        drawn,
        [1_051_959_758, 1_028_415_904, 1_050_678_018, 1_049_085_898]
    );
}

#[test]
fn a_directory_that_is_not_there_says_how_to_get_one() {
    let dir = TempDir::new().unwrap();
    let error = open_error(&dir.path().join("nowhere"));
    assert!(
        error.contains("nowhere") && error.contains("parity fixture"),
        "{error}"
    );
}

#[test]
fn other_versions_are_recognised() {
    for (yaml, version) in [
        ("cosyvoice.yaml", "CosyVoice 1"),
        ("cosyvoice2.yaml", "CosyVoice 2"),
    ] {
        let dir = TempDir::new().unwrap();
        touch(&dir, &[yaml]);
        let error = open_error(dir.path());
        assert!(error.contains(version), "{error}");
    }
    let error = open_error(TempDir::new().unwrap().path());
    assert!(error.contains("no cosyvoice3.yaml"), "{error}");
}

#[test]
fn other_classes_are_refused_by_name() {
    for (ours, theirs) in [
        ("CosyVoice3LM", "Qwen2LM"),
        ("ras_sampling", "nucleus_sampling"),
        ("CausalMaskedDiffWithDiT", "CausalMaskedDiffWithXvec"),
        ("CausalConditionalCFM", "ConditionalCFM"),
        ("dit.DiT", "dit.UNet"),
        ("CausalHiFTGenerator", "HiFTGenerator"),
        ("CausalConvRNNF0Predictor", "ConvRNNF0Predictor"),
    ] {
        let error = error_with(ours, theirs);
        assert!(error.contains(theirs), "{error}");
    }
}

#[test]
fn settings_that_the_engine_does_not_compute_are_refused() {
    for (from, to, key) in [
        ("t_scheduler: cosine", "t_scheduler: linear", "t_scheduler"),
        ("solver: euler", "solver: midpoint", "solver"),
        ("left_chunks: -1", "left_chunks: 2", "left_chunks"),
        (
            "channels: 1024, pre_lookahead_len: 3",
            "channels: 9, pre_lookahead_len: 4",
            "lookahead",
        ),
        ("width: 896", "width: 897", "hidden size"),
        ("hift: ", "hifi: ", "hift"),
        (
            "sampling_rate: !ref <sample_rate>",
            "sampling_rate: 22050",
            "sampling_rate",
        ),
        ("<chunk_size>", "<chunk_length>", "chunk_length"),
        ("\"silu\"", "\"gelu\"", "hidden_act"),
        (
            "\"num_attention_heads\": 14",
            "\"num_attention_heads\": 13",
            "do not fit",
        ),
        (
            "\"rope_scaling\": null",
            "\"rope_scaling\": {}",
            "rope scaling",
        ),
    ] {
        let error = error_with(from, to);
        assert!(error.contains(key), "{key}: {error}");
    }
}

#[test]
fn the_references_weights_are_the_default_and_others_are_chosen_by_name() {
    let temp = dir_with(YAML, QWEN);
    touch(&temp, &["llm.pt", "llm.rl.pt", "llm.safetensors"]);
    let dir = ModelDir::open(temp.path()).unwrap();
    let named = |choice| {
        dir.lm_weights(choice)
            .unwrap()
            .file_name()
            .unwrap()
            .to_owned()
    };
    assert_eq!(named(LmWeights::default()), "llm.pt");
    assert_eq!(named("llm.rl.pt".parse().unwrap()), "llm.rl.pt");
    assert_eq!(named("llm.safetensors".parse().unwrap()), "llm.safetensors");
    let error = dir
        .lm_weights(LmWeights::RlSafetensors)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("llm.rl.safetensors") && error.contains("llm.rl.pt"),
        "{error}"
    );
    assert!("llm.bin".parse::<LmWeights>().is_err());
}

#[test]
fn safetensors_stand_in_for_a_missing_pt_but_other_weights_do_not() {
    let temp = dir_with(YAML, QWEN);
    touch(&temp, &["llm.rl.pt", "flow.safetensors"]);
    let dir = ModelDir::open(temp.path()).unwrap();
    assert!(dir.flow_weights().unwrap().ends_with("flow.safetensors"));
    let error = dir
        .lm_weights(LmWeights::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("llm.rl.pt is"), "{error}");
    let error = dir.vocoder_weights().unwrap_err().to_string();
    assert!(
        error.contains("hift.pt") && error.contains("incomplete"),
        "{error}"
    );
}
