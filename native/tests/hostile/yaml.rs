//! `cosyvoice3.yaml` and the language model body's `config.json`.

use std::path::Path;

use native::model_dir::ModelDir;

use super::{Row, assert_refused};

/// The published configuration, with the mel's section.
pub const YAML: &str = concat!(
    include_str!("../data/cosyvoice3.yaml"),
    "feat_extractor: !name:matcha.utils.audio.mel_spectrogram\n",
    "    {n_fft: 1920, num_mels: 80, sampling_rate: !ref <sample_rate>, hop_size: 480,\n",
    "    win_size: 1920, fmin: 0, fmax: null, center: False}\n",
);
pub const QWEN: &str = include_str!("../data/qwen2.json");

fn open(path: &Path) -> Result<(), String> {
    let is_yaml = path.extension().is_some_and(|e| e == "yaml");
    let dir = path.parent().unwrap();
    let dir = if is_yaml { dir } else { dir.parent().unwrap() };
    ModelDir::open(dir)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// The configuration with `from` replaced by `to`.
fn yaml(from: &str, to: &str) -> Vec<u8> {
    assert!(YAML.contains(from), "{from}");
    YAML.replacen(from, to, 1).into_bytes()
}

/// The configuration with more lines at its end.
fn and(lines: &str) -> Vec<u8> {
    format!("{YAML}{lines}").into_bytes()
}

fn qwen(from: &str, to: &str) -> Vec<u8> {
    assert!(QWEN.contains(from), "{from}");
    QWEN.replacen(from, to, 1).into_bytes()
}

/// Ten lists, each of ten references to the one before.
fn tower() -> String {
    let floor = |i: usize| {
        let below = format!("!ref <l{}>", i - 1);
        format!("l{i}: [{}]\n", vec![below; 10].join(", "))
    };
    let floors: String = (1..10).map(floor).collect();
    format!("l0: [1]\n{floors}")
}

/// Texts, each twice the one before.
fn doubling() -> String {
    let floor = |i: usize| format!("t{i}: !ref <t{}><t{0}>\n", i - 1);
    let floors: String = (1..32).map(floor).collect();
    format!("t0: x\n{floors}")
}

fn anchors() -> String {
    let floor = |i: usize| {
        format!(
            "a{i}: &a{i} [{}]\n",
            vec![format!("*a{}", i - 1); 10].join(", ")
        )
    };
    let floors: String = (1..10).map(floor).collect();
    format!("a0: &a0 [1]\n{floors}")
}

fn numbers() -> Vec<Row> {
    let dilations = "source_resblock_dilation_sizes: [[1,";
    let many = format!("upsample_rates: [{}]", vec!["1"; 1000].join(", "));
    vec![
        (
            "a sampling rate of 0",
            yaml("sample_rate: 24000", "sample_rate: 0"),
            "`sample_rate` is 0; only 24000",
        ),
        (
            "a sampling rate of 22050",
            yaml("sample_rate: 24000", "sample_rate: 22050"),
            "`sample_rate` is 22050; only 24000",
        ),
        (
            "a negative sampling rate",
            yaml("sample_rate: 24000", "sample_rate: -1"),
            "in `sample_rate`",
        ),
        (
            "a hop of 0",
            yaml("hop_size: 480", "hop_size: 0"),
            "`feat_extractor.hop_size` is 0; only 480",
        ),
        (
            "no mel channels",
            yaml("num_mels: 80", "num_mels: 0"),
            "`feat_extractor.num_mels` is 0; only 80",
        ),
        (
            "a window of 0",
            yaml("win_size: 1920", "win_size: 0"),
            "`feat_extractor.win_size` is 0",
        ),
        (
            "a transform of 2^60",
            yaml("n_fft: 1920", "n_fft: 1152921504606846976"),
            "`feat_extractor.n_fft`",
        ),
        (
            "another band",
            yaml("fmax: null", "fmax: 8000"),
            "only the whole band",
        ),
        (
            "a band from NaN",
            yaml("fmin: 0", "fmin: .nan"),
            "only the whole band",
        ),
        (
            "an upsampling by 0",
            yaml("upsample_rates: [8, 5, 3]", "upsample_rates: [0, 5, 3]"),
            "entry of `hift.upsample_rates` is 0, which is not between 1 and 64",
        ),
        (
            "an upsampling by 10^12",
            yaml(
                "upsample_rates: [8, 5, 3]",
                "upsample_rates: [1000000000000, 5, 3]",
            ),
            "`hift.upsample_rates` is 1000000000000",
        ),
        (
            "upsamplings that make another frame",
            yaml("upsample_rates: [8, 5, 3]", "upsample_rates: [8, 5, 4]"),
            "make 640 samples of a mel frame",
        ),
        (
            "no upsamplings",
            yaml("upsample_rates: [8, 5, 3]", "upsample_rates: []"),
            "number of entries of `hift.upsample_rates` is 0",
        ),
        (
            "a thousand upsamplings",
            yaml("upsample_rates: [8, 5, 3]", &many),
            "number of entries of `hift.upsample_rates` is 1000",
        ),
        (
            "a kernel of 0",
            yaml("upsample_kernel_sizes: [16,", "upsample_kernel_sizes: [0,"),
            "`hift.upsample_kernel_sizes` is 0",
        ),
        (
            "a dilation of 10^12",
            yaml(
                dilations,
                "source_resblock_dilation_sizes: [[1000000000000,",
            ),
            "`hift.source_resblock_dilation_sizes` is 1000000000000",
        ),
        (
            "a dilation of 0",
            yaml(dilations, "source_resblock_dilation_sizes: [[0,"),
            "`hift.source_resblock_dilation_sizes` is 0",
        ),
        (
            "a residual kernel of 10^12",
            yaml(
                "resblock_kernel_sizes: [3,",
                "resblock_kernel_sizes: [1000000000000,",
            ),
            "`hift.resblock_kernel_sizes`",
        ),
        (
            "a transform of 0 samples",
            yaml("n_fft: 16", "n_fft: 0"),
            "`hift.istft_params.n_fft` is 0",
        ),
        (
            "a transform of a billion samples",
            yaml("n_fft: 16", "n_fft: 1000000000"),
            "`hift.istft_params.n_fft`",
        ),
        (
            "a hop of 0 in the vocoder",
            yaml("hop_len: 4", "hop_len: 0"),
            "`hift.istft_params.hop_len` is 0",
        ),
        (
            "no channels",
            yaml("base_channels: 512", "base_channels: 0"),
            "`hift.base_channels` is 0",
        ),
        (
            "channels that cannot be halved",
            yaml("base_channels: 512", "base_channels: 4"),
            "cannot be halved 3 times",
        ),
        (
            "2^60 harmonics",
            yaml("nb_harmonics: 8", "nb_harmonics: 1152921504606846976"),
            "`hift.nb_harmonics`",
        ),
        (
            "a negative amplitude",
            yaml("nsf_alpha: 0.1", "nsf_alpha: -0.1"),
            "`hift.nsf_alpha` is -0.1",
        ),
        (
            "an infinite noise",
            yaml("nsf_sigma: 0.003", "nsf_sigma: .inf"),
            "`hift.nsf_sigma` is inf",
        ),
        (
            "a limit of 0",
            yaml("audio_limit: 0.99", "audio_limit: 0"),
            "`hift.audio_limit` is 0",
        ),
        (
            "a slope of NaN",
            yaml("lrelu_slope: 0.1", "lrelu_slope: .nan"),
            "`hift.lrelu_slope` is NaN",
        ),
        (
            "a threshold that is text",
            yaml("nsf_voiced_threshold: 10", "nsf_voiced_threshold: high"),
            "in `hift`",
        ),
        (
            "a guidance of NaN",
            yaml("inference_cfg_rate: 0.7", "inference_cfg_rate: .nan"),
            "inference_cfg_rate` is NaN",
        ),
        (
            "a guidance of infinity",
            yaml("inference_cfg_rate: 0.7", "inference_cfg_rate: .inf"),
            "inference_cfg_rate` is inf",
        ),
        (
            "2^50 layers",
            yaml("depth: 22", "depth: 1125899906842624"),
            "`flow.decoder.estimator.depth`",
        ),
        (
            "no heads",
            yaml("heads: 16", "heads: 0"),
            "`flow.decoder.estimator.heads` is 0",
        ),
        (
            "heads of no width",
            yaml("dim_head: 64", "dim_head: 0"),
            "`flow.decoder.estimator.dim_head` is 0",
        ),
        (
            "a mask of no frames",
            yaml("chunk_size: 25", "chunk_size: 0"),
            "static_chunk_size` is 0",
        ),
        (
            "no mel frames for a token",
            yaml("token_mel_ratio: 2", "token_mel_ratio: 0"),
            "token_mel_ratio` is 0",
        ),
        (
            "a vocabulary of 2^60",
            yaml("vocab_size: 6561", "vocab_size: 1152921504606846976"),
            "`flow.vocab_size`",
        ),
        (
            "no speech tokens",
            yaml("speech_token_size: 6561", "speech_token_size: 0"),
            "`llm.speech_token_size` is 0",
        ),
        (
            "a mix of nothing",
            yaml("mix_ratio: [5, 15]", "mix_ratio: [0, 15]"),
            "`llm.mix_ratio` is 0",
        ),
        (
            "a mix of one number",
            yaml("mix_ratio: [5, 15]", "mix_ratio: [5]"),
            "in `llm`",
        ),
        (
            "no tokens to choose from",
            yaml("top_k: 25", "top_k: 0"),
            "`llm.sampling.top_k` is 0",
        ),
        (
            "a nucleus of more than everything",
            yaml("top_p: 0.7", "top_p: 1.1"),
            "`llm.sampling.top_p` is 1.1",
        ),
        (
            "a nucleus of NaN",
            yaml("top_p: 0.7", "top_p: .nan"),
            "`llm.sampling.top_p` is NaN",
        ),
    ]
}

fn texts() -> Vec<Row> {
    vec![
        (
            "no mapping",
            b"- 1\n- 2\n".to_vec(),
            "not a mapping at the top level",
        ),
        ("no yaml", b"{a: ]".to_vec(), "cosyvoice3.yaml"),
        ("bytes that are not UTF-8", vec![0xff; 100], "not UTF-8"),
        (
            "a tab for an indent",
            yaml("    llm_input_size", "\tllm_input_size"),
            "cosyvoice3.yaml",
        ),
        ("one key twice", and("sample_rate: 24000\n"), "duplicate"),
        (
            "100,000 brackets",
            and(&format!("x: {}", "[".repeat(100_000))),
            "more than 1000 lists in brackets",
        ),
        (
            "900 brackets",
            and(&format!("x: {}", "[".repeat(900))),
            "cosyvoice3.yaml",
        ),
        (
            "50,000 lists within each other",
            and(&format!("x:\n  {}1", "- ".repeat(50_000))),
            "cosyvoice3.yaml",
        ),
        (
            "a tower of ten lists of ten references",
            and(&tower()),
            "references multiply",
        ),
        (
            "a tower of ten lists of ten anchors",
            and(&anchors()),
            "cosyvoice3.yaml",
        ),
        (
            "texts that double 31 times",
            and(&doubling()),
            "references multiply",
        ),
        (
            "a circle of references",
            and("p: !ref <q>\nq: !ref <p>\n"),
            "go round in a circle",
        ),
        (
            "a section that refers to itself",
            and("p: {q: !ref <p>}\n"),
            "go round in a circle",
        ),
        (
            "a reference that is not closed",
            and("p: !ref <q\n"),
            "unclosed",
        ),
        (
            "a reference to nothing",
            and("p: !ref <q>\n"),
            "refers to `q`, which is not there",
        ),
        (
            "a reference that is a list",
            and("p: !ref [1]\n"),
            "is not text",
        ),
        (
            "arithmetic with a section",
            and("p: !ref <hift> * 2\n"),
            "mixes text and a section",
        ),
        (
            "128 kB and a few more",
            and(&format!("# {}\n", "x".repeat(1 << 17))),
            "more than a file of its kind needs",
        ),
        ("another class", yaml("CosyVoice3LM", "Qwen2LM"), "Qwen2LM"),
        (
            "a system call for a class",
            yaml("!new:cosyvoice.llm.llm.CosyVoice3LM", "!apply:os.system"),
            "os.system",
        ),
    ]
}

#[test]
fn the_configuration_that_the_others_are_made_from_is_read() {
    let dir = dir();
    ModelDir::open(dir.path()).unwrap();
}

fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("CosyVoice-BlankEN")).unwrap();
    std::fs::write(dir.path().join("CosyVoice-BlankEN/config.json"), QWEN).unwrap();
    std::fs::write(dir.path().join("cosyvoice3.yaml"), YAML).unwrap();
    dir
}

/// Opens the model in a whole directory but for the file at `path`.
fn in_whole_directory(path: &Path, name: &str) -> Result<(), String> {
    let whole = dir();
    let to = whole.path().join(name);
    std::fs::copy(path, &to).unwrap();
    open(&to)
}

#[test]
fn hostile_numbers_of_a_configuration_are_refused() {
    assert_refused("cosyvoice3.yaml", &numbers(), |path| {
        in_whole_directory(path, "cosyvoice3.yaml")
    });
}

#[test]
fn hostile_texts_of_a_configuration_are_refused() {
    assert_refused("cosyvoice3.yaml", &texts(), |path| {
        in_whole_directory(path, "cosyvoice3.yaml")
    });
}

#[test]
fn hostile_configurations_of_the_body_are_refused() {
    let rows: Vec<Row> = vec![
        ("no JSON", b"{".to_vec(), "not a Qwen2 configuration"),
        ("a list", b"[]".to_vec(), "not a Qwen2 configuration"),
        (
            "100,000 brackets",
            vec![b'['; 100_000],
            "not a Qwen2 configuration",
        ),
        ("bytes that are not UTF-8", vec![0xff; 8], "not UTF-8"),
        ("no vocabulary", qwen("151936", "0"), "`vocab_size` is 0"),
        (
            "2^50 layers",
            qwen(
                "\"num_hidden_layers\": 24",
                "\"num_hidden_layers\": 1125899906842624",
            ),
            "`num_hidden_layers`",
        ),
        (
            "no heads",
            qwen("\"num_attention_heads\": 14", "\"num_attention_heads\": 0"),
            "do not fit together",
        ),
        (
            "a width of 0",
            qwen("\"hidden_size\": 896", "\"hidden_size\": 0"),
            "`hidden_size` is 0",
        ),
        (
            "2^60 positions",
            qwen("32768", "1152921504606846976"),
            "`max_position_embeddings`",
        ),
        (
            "a negative width",
            qwen("\"hidden_size\": 896", "\"hidden_size\": -896"),
            "not a Qwen2 configuration",
        ),
        ("a base of 0", qwen("1000000.0", "0.0"), "`rope_theta` is 0"),
        (
            "an epsilon of 1",
            qwen("1e-06", "1.0"),
            "`rms_norm_eps` is 1",
        ),
        (
            "another model",
            qwen("qwen2", "llama"),
            "`model_type` is llama",
        ),
    ];
    assert_refused("config.json", &rows, |path| {
        in_whole_directory(path, "CosyVoice-BlankEN/config.json")
    });
}
