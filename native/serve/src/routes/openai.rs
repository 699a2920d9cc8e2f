//! OpenAI's API, and voices that are uploaded.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use native_encode::{FileFormat, Kind, SampleFormat};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{checked, seed};
use crate::app::App;
use crate::error::Failure;
use crate::form::{Body, Form};
use crate::order::{Order, Output, Speaker, Words};
use crate::reply::{Wrapping, streamed, whole};
use crate::voices::{OWN, Upload, instruction};

/// Slowest and fastest speech, as in OpenAI's API.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.25..=4.0;

/// The body of `POST /v1/audio/speech`. What OpenAI's API does not have comes last.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpeechBody {
    model: String,
    input: String,
    voice: Value,
    instructions: Option<String>,
    response_format: Option<String>,
    speed: Option<f64>,
    stream_format: Option<String>,
    seed: Option<u64>,
    stream: Option<bool>,
    sample_rate: Option<u32>,
    sample_format: Option<String>,
}

/// `POST /v1/audio/speech`
pub(crate) async fn speech(
    State(app): State<Arc<App>>,
    Body(body): Body<SpeechBody>,
) -> Result<Response, Failure> {
    let config = &app.config;
    if body.model != config.model && !config.aliases.contains(&body.model) {
        return Err(Failure {
            field: Some("model"),
            ..Failure::new(
                StatusCode::NOT_FOUND,
                "model_not_found",
                format!(
                    "there is no model `{}`; there is: {}",
                    body.model, config.model
                ),
            )
        });
    }
    let kind = kind(&body)?;
    let speed = body.speed.unwrap_or(1.0);
    if !SPEEDS.contains(&speed) {
        let message = format!("`speed` is {speed}; it can be 0.25 to 4");
        return Err(Failure::field("speed", message));
    }
    let events = match body.stream_format.as_deref() {
        None | Some("audio") => false,
        Some("sse") => true,
        Some(other) => {
            let message = format!("`stream_format` is `{other}`; it can be audio or sse");
            return Err(Failure::field("stream_format", message));
        }
    };
    let as_made = body.stream.unwrap_or(true);
    if events && !as_made {
        let message = "`stream` cannot be false where `stream_format` is sse";
        return Err(Failure::field("stream", message));
    }
    let seed = seed(body.seed)?;
    let instruct = body.instructions.filter(|how| !how.trim().is_empty());
    let instruct = instruct
        .map(|how| checked(&app, "instructions", how))
        .transpose()?;
    let voice = voice_name(&body.voice)?;
    let order = Order {
        route: "/v1/audio/speech",
        text: Words::Whole(checked(&app, "input", body.input)?),
        speaker: Speaker::Known(Box::new(
            app.voices
                .get(voice, instruct.as_deref().map(instruction))?,
        )),
        seed,
        speed,
        // Another speed takes whole segments.
        streamed: as_made && speed == 1.0,
        output: match as_made {
            true => Output::Stream(kind),
            false => Output::File(kind),
        },
    };
    let submitted = app.submit(app.place()?, order);
    let media_type = kind.format.media_type();
    match (as_made, events) {
        (false, _) => whole(submitted, seed, media_type).await,
        (true, true) => streamed(submitted, seed, Wrapping::Events).await,
        (true, false) => streamed(submitted, seed, Wrapping::Plain(media_type)).await,
    }
}

fn kind(body: &SpeechBody) -> Result<Kind, Failure> {
    let name = body.response_format.as_deref().unwrap_or("mp3");
    let format: FileFormat = name
        .parse()
        .map_err(|e| Failure::field("response_format", e))?;
    let mut kind = Kind::new(format);
    if let Some(rate) = body.sample_rate {
        kind.sample_rate = rate;
    }
    if let Some(samples) = &body.sample_format {
        let samples: Result<SampleFormat, _> = samples.parse();
        kind.samples = samples.map_err(|e| Failure::field("sample_format", e))?;
    }
    kind.check()
        .map_err(|e| Failure::field("response_format", e))?;
    Ok(kind)
}

/// A name, or as newer clients send it, an object with an id.
fn voice_name(voice: &Value) -> Result<&str, Failure> {
    let name = voice.as_str().or_else(|| voice.get("id")?.as_str());
    name.ok_or_else(|| {
        Failure::field(
            "voice",
            "`voice` is neither a name nor an object with an id",
        )
    })
}

/// `GET /v1/models`
pub(crate) async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    let names = std::iter::once(&app.config.model).chain(&app.config.aliases);
    let models: Vec<_> = names
        .map(|name| json!({"id": name, "object": "model", "created": 0, "owned_by": "native"}))
        .collect();
    Json(json!({"object": "list", "data": models}))
}

/// `GET /v1/audio/voices`
pub(crate) async fn voices(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let names = app.voices.names()?;
    let voices: Vec<_> = names
        .iter()
        .map(|name| json!({"id": name, "name": name, "object": "voice"}))
        .collect();
    Ok(Json(
        json!({"object": "list", "data": voices, "voices": voices}),
    ))
}

/// `POST /v1/audio/voices`: `name`, `transcript` and the file `audio`.
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    mut form: Form,
) -> Result<Response, Failure> {
    if !app.config.uploads {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "uploads_off",
            "this server takes no voices (--no-uploads)",
        ));
    }
    let name = form.needed("name")?;
    if name.trim() != name || name.is_empty() || name.len() > 100 || name == OWN {
        let message = format!("`name` cannot be `{name}`: choose another, of at most 100 bytes");
        return Err(Failure::field("name", message));
    }
    let transcript = checked(&app, "transcript", form.needed("transcript")?)?;
    // OpenAI's name for it is the second.
    let sound = form
        .recording("audio")
        .or_else(|| form.recording("audio_sample"));
    let sound = match sound {
        Some(sound) => sound,
        None => form.needed_recording("audio")?,
    };
    let upload = Upload {
        name: name.clone(),
        transcript,
        sound,
    };
    let (sender, done) = tokio::sync::oneshot::channel();
    let (place, of) = (app.place()?, app.clone());
    app.queue.submit(place, move || {
        // Where it cannot be sent, nobody waits for it any more.
        let _ = sender.send(of.voices.add(&of.engine, upload));
    });
    done.await.map_err(|_| crate::reply::ended())??;
    tracing::info!(name, "a voice was uploaded");
    let voice = json!({"id": name, "name": name, "object": "voice"});
    Ok((StatusCode::CREATED, Json(voice)).into_response())
}
