//! A plain interface: a wav for a text, and what the server is doing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use native_encode::{FileFormat, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{checked, recording, seed};
use crate::app::App;
use crate::error::Failure;
use crate::form::Body;
use crate::order::{Manner, Order, Output, Speaker, Words};
use crate::reply::whole;
use crate::voices::{OWN, prompted};

/// The body of `POST /synthesize`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SynthesizeBody {
    text: String,
    /// What is said in the recording.
    prompt_text: Option<String>,
    /// A recording in the folder that was named at start.
    prompt_audio: Option<String>,
    /// A voice by its name, instead of a recording.
    speaker: Option<String>,
    speed: Option<f64>,
    seed: Option<u64>,
}

/// `POST /synthesize`: a wav of 16-bit samples.
pub(crate) async fn synthesize(
    State(app): State<Arc<App>>,
    Body(body): Body<SynthesizeBody>,
) -> Result<Response, Failure> {
    let mut text = checked(&app, "text", body.text)?;
    let speaker = match (body.speaker, body.prompt_audio, body.prompt_text) {
        (Some(_), Some(_), _) => {
            let message = "`speaker` and `prompt_audio` are two voices: name one";
            return Err(Failure::field("speaker", message));
        }
        (_, None, Some(_)) => {
            let message =
                "`prompt_text` says what is said in a recording: `prompt_audio` is missing";
            return Err(Failure::field("prompt_text", message));
        }
        (speaker, None, None) => {
            let name = speaker.as_deref().unwrap_or(OWN);
            Speaker::Known(Box::new(app.voices.get(name, None)?))
        }
        (None, Some(path), transcript) => Speaker::Recording {
            sound: recording(&app, &path)?,
            manner: match transcript {
                Some(transcript) => Manner::ZeroShot {
                    transcript: prompted(&checked(&app, "prompt_text", transcript)?),
                },
                None => {
                    text = prompted(&text);
                    Manner::CrossLingual
                }
            },
        },
    };
    let kind = Kind::new(FileFormat::Wav);
    let seed = seed(body.seed)?;
    let order = Order {
        route: "/synthesize",
        text: Words::Whole(text),
        speaker,
        seed,
        speed: body.speed.unwrap_or(1.0),
        streamed: false,
        output: Output::File(kind),
    };
    let submitted = app.submit(app.place()?, order);
    whole(submitted, seed, kind.format.media_type()).await
}

/// `GET /speakers`
pub(crate) async fn speakers(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({"speakers": app.voices.names()?})))
}

/// `GET /health`: 503 once the server has been asked to end, so that a balancer sends no more.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Response {
    let stopping = app.stopping.load(Ordering::Relaxed);
    let (length, running) = (app.queue.length(), app.queue.running());
    let status = match stopping {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    let body = json!({
        "status": if stopping { "stopping" } else { "ok" },
        "model": app.config.model,
        "sample_rate": native::engine::Engine::SAMPLE_RATE,
        "running": running,
        "waiting": length.saturating_sub(running),
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let text = app.metrics.text(&app).map_err(Failure::internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
