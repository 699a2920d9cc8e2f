//! Who may ask: the key, and pages of other servers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::error::Failure;
use crate::reply::{DURATION, NUMBER, SEED};

/// What is answered without a key: that the server is there, and the page that asks for the key.
const OPEN: [&str; 2] = ["/", "/health"];

/// Lets a request pass, or answers it.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let origin = origin(request.headers());
    let mut response = match allowed(&app, &request) {
        Err(failure) => failure.into_response(),
        // A browser asks whether a page of another server may ask.
        Ok(()) if method == Method::OPTIONS && origin.is_some() => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(()) => next.run(request).await,
    };
    if let Some(origin) = origin.filter(|_| response.status() != StatusCode::FORBIDDEN) {
        share(response.headers_mut(), origin);
    }
    let status = response.status();
    app.metrics.answered(status.as_u16());
    tracing::debug!(%method, path, status = status.as_u16());
    response
}

fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ORIGIN).cloned()
}

fn allowed(app: &App, request: &Request) -> Result<(), Failure> {
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let same = request.headers().get(header::HOST).is_some_and(|host| {
            origin
                .to_str()
                .is_ok_and(|origin| origin.split_once("://").is_some_and(|(_, at)| at == host))
        });
        let named = |allowed: &String| allowed == "*" || allowed.as_bytes() == origin.as_bytes();
        if !same && !app.config.origins.iter().any(named) {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "pages of other servers may not use this one, unless it is started with \
                 --allow-origin",
            ));
        }
    }
    let Some(key) = &app.config.api_key else {
        return Ok(());
    };
    if request.method() == Method::OPTIONS || OPEN.contains(&request.uri().path()) {
        return Ok(());
    }
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|given| given.as_bytes().strip_prefix(b"Bearer "));
    match given.is_some_and(|given| same_key(given, key.as_bytes())) {
        true => Ok(()),
        false => Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "the API key is missing or wrong: send `Authorization: Bearer KEY`",
        )),
    }
}

/// Compares digests, in a time that depends neither on where keys differ nor on their lengths.
fn same_key(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

/// Lets the page of an allowed origin read the answer.
fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    let exposed = [SEED, DURATION, NUMBER]
        .map(|name| name.to_string())
        .join(", ");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST"),
    );
    if let Ok(exposed) = HeaderValue::from_str(&exposed) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// An answer to a path that leads nowhere.
pub(crate) async fn nowhere(uri: Uri) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is no {}", uri.path()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_is_the_same() {
        assert!(same_key(b"secret", b"secret"));
        for other in [&b""[..], b"secre", b"secret ", b"Secret"] {
            assert!(!same_key(other, b"secret"));
        }
    }
}
