use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, ValueEnum};
use native_serve::{Config, Server};

use crate::options::ModelOptions;
use crate::speaker::SpeakersFile;

/// Answer requests for speech over HTTP: OpenAI's API, the routes of the reference's server, a
/// WebSocket, and a page to try it.
///
/// Example: native serve, then curl http://127.0.0.1:8000/v1/audio/speech -o hello.wav -d
/// '{"model": "voice-7", "voice": "default", "response_format": "wav", "input": "Good morning."}'
///
/// The page is at http://127.0.0.1:8000/ and the state at /health and /metrics. SIGTERM and Ctrl-C
/// finish the requests that have begun.
#[derive(ClapArgs)]
pub struct Args {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    speakers: SpeakersFile,
    /// Where to listen; 0.0.0.0:8000 lets other machines ask
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The model's name in requests [default: the name of its directory]
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Another name by which requests may call the model, such as tts-1; can be given several times
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Requests that are said at once [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Requests that may wait; more are answered with 429 and the time after which to come again
    #[arg(long, value_name = "N", default_value_t = 16)]
    queue: u16,
    /// Seconds that a request may take, waiting included
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time_limit: u64,
    /// Most characters of a text
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_characters: usize,
    /// Most megabytes of a request, recordings included
    #[arg(long, value_name = "MB", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_upload: u16,
    /// Refuse uploads of voices
    #[arg(long)]
    no_uploads: bool,
    /// Key that requests have to carry (Authorization: Bearer KEY)
    #[arg(
        long,
        value_name = "KEY",
        env = "NATIVE_API_KEY",
        hide_env_values = true
    )]
    api_key: Option<String>,
    /// Folder from which POST /synthesize takes recordings by their path; without it, from none
    #[arg(long, value_name = "DIR")]
    prompt_dir: Option<PathBuf>,
    /// Web pages of other servers that may use this one, such as https://example.org, or *; can be
    /// given several times
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// How the log is written, to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: LogFormat,
    /// Write the texts of requests to the log
    #[arg(long)]
    log_texts: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Args {
    pub fn run(self) -> anyhow::Result<()> {
        if self.api_key.as_deref().is_some_and(str::is_empty) {
            bail!("the API key is empty, which would let everybody in: leave it out, or give one");
        }
        self.start_log()?;
        let config = self.config()?;
        let engine = self.model.builder()?.build()?;
        if !self.listen.ip().is_loopback() && config.api_key.is_none() {
            tracing::warn!(
                "{} can be reached from other machines, and no API key is asked for",
                self.listen
            );
        }
        let (model, workers) = (config.model.clone(), config.workers);
        let server = Server::new(engine, config)?;
        let voices = server.voices()?.join(", ");
        server.run(self.listen, |address| {
            tracing::info!(
                "serving {model} at http://{address} (workers: {workers}; voices: {voices})"
            );
        })
    }

    fn config(&self) -> anyhow::Result<Config> {
        let path = self.model.dir.path()?;
        let name = match &self.model_name {
            Some(name) => name.clone(),
            None => {
                let path = path
                    .canonicalize()
                    .with_context(|| path.display().to_string())?;
                let name = path.file_name().unwrap_or(path.as_os_str());
                name.to_string_lossy().into_owned()
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut config = Config::new(name);
        config.aliases.clone_from(&self.alias);
        config.speakers.clone_from(&self.speakers.speakers);
        config.uploads = !self.no_uploads;
        config.prompt_dir.clone_from(&self.prompt_dir);
        config.workers = self.workers.map_or(cores, usize::from);
        config.queue = self.queue.into();
        config.time_limit = Duration::from_secs(self.time_limit);
        config.max_characters = self.max_characters;
        config.max_bytes = usize::from(self.max_upload) << 20;
        config.api_key.clone_from(&self.api_key);
        config.origins.clone_from(&self.allow_origin);
        config.log_texts = self.log_texts;
        Ok(config)
    }

    fn start_log(&self) -> anyhow::Result<()> {
        let log = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_target(false);
        let started = match self.log {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().flatten_event(true).try_init(),
        };
        started.map_err(|e| anyhow::anyhow!("the log cannot be started: {e}"))
    }
}
