//! The routes, by whose they are.

mod openai;
mod page;
mod plain;
mod reference;
mod socket;

use std::path::{Component, Path};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;
use crate::error::Failure;
use crate::guard::{guard, nowhere};
use crate::order::Recording;

/// All routes of a server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/", get(page::page))
        .route("/v1/models", get(openai::models))
        .route("/v1/audio/speech", post(openai::speech))
        .route("/v1/audio/speech/socket", get(socket::socket))
        .route("/v1/audio/voices", get(openai::voices).post(openai::upload))
        .route("/synthesize", post(plain::synthesize))
        .route("/speakers", get(plain::speakers))
        .route("/health", get(plain::health))
        .route("/metrics", get(plain::metrics));
    for (path, handler) in reference::ROUTES {
        router = router.route(path, handler());
    }
    router
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(app.config.max_bytes))
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// A text that is not too long.
pub(crate) fn checked(app: &App, field: &'static str, text: String) -> Result<String, Failure> {
    let (characters, most) = (text.chars().count(), app.config.max_characters);
    match characters <= most {
        true => Ok(text),
        false => Err(Failure {
            code: "text_too_long",
            ..Failure::field(
                field,
                format!("`{field}` has {characters} characters; {most} are the most at once"),
            )
        }),
    }
}

/// The request's seed, or a new one. It is short enough for a number in JavaScript.
pub(crate) fn seed(given: Option<u64>) -> Result<u64, Failure> {
    match given {
        Some(seed) => Ok(seed),
        None => getrandom::u32().map(u64::from).map_err(Failure::internal),
    }
}

/// A recording in the folder that was named at start. Where links lead is looked at, so that none
/// leads out of it.
pub(crate) fn recording(app: &App, path: &str) -> Result<Recording, Failure> {
    const FIELD: &str = "prompt_audio";
    let Some(folder) = &app.prompt_dir else {
        return Err(Failure::field(
            FIELD,
            "this server takes no recordings by their path: start it with --prompt-dir",
        ));
    };
    // What is there and what is not must look the same from outside.
    let refused = || {
        let message = format!("there is no recording `{path}` in the folder of recordings");
        Failure::field(FIELD, message)
    };
    let asked = Path::new(path);
    if asked.components().any(|part| part == Component::ParentDir) {
        return Err(refused());
    }
    let file = folder.join(asked).canonicalize().map_err(|_| refused())?;
    match file.starts_with(folder) && file.is_file() {
        true => Ok(Recording::File(file)),
        false => Err(refused()),
    }
}
