use serde::{Deserialize, Serialize};

/// The `hift` section of `cosyvoice3.yaml`: log-mel spectrogram in, 24 kHz speech out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VocoderConfig {
    /// Mel channels.
    pub in_channels: usize,
    /// Channels before the first upsampling; each upsampling halves them.
    pub base_channels: usize,
    /// Overtones of the source besides the fundamental.
    pub nb_harmonics: usize,
    /// Sampling rate of the speech, Hz.
    pub sampling_rate: usize,
    /// Amplitude of the source's sine waves.
    pub nsf_alpha: f64,
    /// Standard deviation of the source's noise where the speech is voiced.
    pub nsf_sigma: f64,
    /// The speech is voiced where F0 exceeds this, Hz.
    pub nsf_voiced_threshold: f64,
    /// Factor of each upsampling.
    pub upsample_rates: Vec<usize>,
    /// Kernel size of the convolution of each upsampling.
    pub upsample_kernel_sizes: Vec<usize>,
    /// The inverse short-time Fourier transform that ends the vocoder.
    pub istft_params: IstftConfig,
    /// Kernel size of each residual block after an upsampling.
    pub resblock_kernel_sizes: Vec<usize>,
    /// Dilations of each residual block after an upsampling.
    pub resblock_dilation_sizes: Vec<Vec<usize>>,
    /// Kernel size of the residual block that takes the source in, for each upsampling.
    pub source_resblock_kernel_sizes: Vec<usize>,
    /// Dilations of the residual block that takes the source in, for each upsampling.
    pub source_resblock_dilation_sizes: Vec<Vec<usize>>,
    /// Slope of the leaky ReLUs, except for the last one.
    pub lrelu_slope: f64,
    /// The speech is clamped to ± this.
    pub audio_limit: f64,
    /// Frames of future context of the first convolution.
    #[serde(default = "VocoderConfig::default_look_right")]
    pub conv_pre_look_right: usize,
    /// The fundamental-frequency predictor.
    #[serde(rename = "f0_predictor")]
    pub f0: F0Config,
}

impl VocoderConfig {
    /// What the reference's constructor takes where the file says nothing.
    fn default_look_right() -> usize {
        4
    }
}

/// The `hift.istft_params` section of `cosyvoice3.yaml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IstftConfig {
    /// Samples of one frame.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop_len: usize,
}

/// The `hift.f0_predictor` section of `cosyvoice3.yaml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct F0Config {
    /// Mel channels.
    pub in_channels: usize,
    /// Channels of the convolutions.
    pub cond_channels: usize,
}
