use std::path::PathBuf;
use std::time::Duration;

/// How a server behaves. The defaults are those of the command line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The model's name in answers, such as `Fun-CosyVoice3-0.5B`; a request that names another is
    /// refused.
    pub model: String,
    /// Other names by which requests may call the model, such as `tts-1`.
    pub aliases: Vec<String>,
    /// The file of the saved speakers; that of the model directory if there is none.
    pub speakers: Option<PathBuf>,
    /// Whether voices may be uploaded, which adds them to that file.
    pub uploads: bool,
    /// The folder from which `POST /synthesize` may take recordings by their path.
    pub prompt_dir: Option<PathBuf>,
    /// How many requests are said at once.
    pub workers: usize,
    /// How many more may wait for their turn.
    pub queue: usize,
    /// How long a request may take, waiting included.
    pub time_limit: Duration,
    /// How long a WebSocket's next piece of text is waited for.
    pub pause_limit: Duration,
    /// How long a client may not read what it is sent before its connection is closed.
    pub stall_limit: Duration,
    /// Most characters of a text.
    pub max_characters: usize,
    /// Most bytes of a request.
    pub max_bytes: usize,
    /// The key that requests must carry.
    pub api_key: Option<String>,
    /// Web pages of other servers that may use this one, such as `https://example.org`, or `*`.
    pub origins: Vec<String>,
    /// Whether texts are written to the log.
    pub log_texts: bool,
}

impl Config {
    /// The defaults, for a model of this name.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            aliases: Vec::new(),
            speakers: None,
            uploads: true,
            prompt_dir: None,
            workers: 2,
            queue: 16,
            time_limit: Duration::from_secs(300),
            pause_limit: Duration::from_secs(30),
            stall_limit: Duration::from_secs(60),
            max_characters: 4096,
            max_bytes: 16 << 20,
            api_key: None,
            origins: Vec::new(),
            log_texts: false,
        }
    }
}
