//! Asking a router, without a network, and what the engine itself says.

use std::sync::{LazyLock, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use native::audio::Waveform;
use native::engine::{Engine, Mode, Request as Say, Speech, Voice};
use native::model_dir::SavedSpeaker;
use native_serve::{Config, Server};
use parity_fixture::testing::{tiny_model, workspace};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

pub const TRANSCRIPT: &str = "You are a helpful assistant.<|endofprompt|>The quick brown fox.";
/// The voice that every server has here.
pub const FOX: &str = "fox";

pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    &RUNTIME
}

pub fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> =
        LazyLock::new(|| Engine::builder(tiny_model()).build().unwrap());
    &ENGINE
}

pub fn fox_wav() -> std::path::PathBuf {
    workspace().join("golden/prompts/fox_22k.wav")
}

/// The voice as `native speaker add` saves it.
pub fn fox() -> &'static SavedSpeaker {
    static FOX: OnceLock<SavedSpeaker> = OnceLock::new();
    FOX.get_or_init(|| {
        let voice = engine()
            .voice(&Waveform::read(&fox_wav()).unwrap())
            .unwrap();
        SavedSpeaker::new(engine().frontend(), TRANSCRIPT, &voice).unwrap()
    })
}

/// A server with a folder of its own, where its speakers are saved.
pub struct Asked {
    pub router: Router,
    pub folder: tempfile::TempDir,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let (server, folder) = server(change);
        let router = server.router();
        Self { router, folder }
    }

    pub fn ask(&self, request: Request<Body>) -> Answer {
        runtime().block_on(answer(self.router.clone(), request))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap())
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(json(path, body))
    }

    pub fn form(&self, method: Method, path: &str, form: &Form) -> Answer {
        self.ask(form.request(method, path))
    }
}

pub fn server(change: impl FnOnce(&mut Config)) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let speakers = folder.path().join("voices.pt");
    native::model_dir::SavedSpeakers::update(&speakers, |all| all.add(FOX, fox())).unwrap();
    let mut config = Config::new("tiny");
    config.speakers = Some(speakers);
    change(&mut config);
    let server = runtime().block_on(async { Server::new(engine().clone(), config) });
    (server.unwrap(), folder)
}

pub async fn answer(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.expect("a whole body"),
    }
}

pub fn json(path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The message of a refusal.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// A form of several parts.
#[derive(Default)]
pub struct Form(Vec<u8>);

const BOUNDARY: &str = "a-boundary-that-no-recording-has";

impl Form {
    pub fn text(mut self, name: &str, value: &str) -> Self {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        self.0.extend(part.as_bytes());
        self
    }

    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n"
        );
        self.0.extend(head.as_bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    fn request(&self, method: Method, path: &str) -> Request<Body> {
        let body = [&self.0[..], format!("--{BOUNDARY}--\r\n").as_bytes()].concat();
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = Request::builder().method(method).uri(path);
        request
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body))
            .unwrap()
    }
}

/// What the engine says by itself, as `native synth` does.
pub fn said(request: &Say) -> Vec<f32> {
    let speech = engine().speak(request).unwrap();
    let speech: Speech = speech.collect::<native::Result<_>>().unwrap();
    speech.samples
}

/// The fox says a text.
pub fn by_fox(text: &str, seed: u64) -> Say {
    let mode = Mode::ZeroShot {
        prompt_text: String::new(),
    };
    Say::new(mode, text, Voice::Saved(fox().clone())).seed(seed)
}

/// 16-bit samples, rounded.
pub fn pcm(samples: &[f32]) -> Vec<u8> {
    let rounded = |&s: &f32| native_encode::int16(s).to_le_bytes();
    samples.iter().flat_map(rounded).collect()
}
