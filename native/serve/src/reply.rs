//! From what is said to an HTTP answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::app::Submitted;
use crate::error::Failure;
use crate::say::{Event, Summary};

/// The seed with which a request can be said again.
pub(crate) const SEED: HeaderName = HeaderName::from_static("x-seed");
/// Seconds of speech, where they are known before the first byte is sent.
pub(crate) const DURATION: HeaderName = HeaderName::from_static("x-audio-duration");
/// The number of the request in the server's log.
pub(crate) const NUMBER: HeaderName = HeaderName::from_static("x-request-id");

/// What a sound is sent as.
#[derive(Clone, Copy)]
pub(crate) enum Wrapping {
    /// Its bytes.
    Plain(&'static str),
    /// Server-sent events of OpenAI's API, the bytes in Base64.
    Events,
}

/// Answers with the sound as it is made. What fails before the first sound is answered as a failure;
/// later, the connection is cut, so that half a sound does not look like a whole one.
pub(crate) async fn streamed(
    mut submitted: Submitted,
    seed: u64,
    wrapping: Wrapping,
) -> Result<Response, Failure> {
    let first = submitted.events.recv().await.ok_or_else(ended)?;
    if let Event::Failed(failure) = first {
        return Err(failure);
    }
    let media_type = match wrapping {
        Wrapping::Plain(media_type) => media_type,
        Wrapping::Events => "text/event-stream",
    };
    let mut headers = said(submitted.number, seed);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let sound = Sound {
        first: Some(first),
        events: submitted.events,
        wrapping,
        ended: false,
    };
    Ok((headers, Body::from_stream(sound)).into_response())
}

/// Answers with the whole sound when it is made.
pub(crate) async fn whole(
    mut submitted: Submitted,
    seed: u64,
    media_type: &'static str,
) -> Result<Response, Failure> {
    let mut sound = Vec::new();
    let summary = loop {
        match submitted.events.recv().await.ok_or_else(ended)? {
            Event::Bytes(bytes) => sound.extend_from_slice(&bytes),
            Event::Done(summary) => break summary,
            Event::Failed(failure) => return Err(failure),
        }
    };
    let mut headers = said(submitted.number, seed);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(seconds) = HeaderValue::from_str(&format!("{:.3}", summary.seconds())) {
        headers.insert(DURATION, seconds);
    }
    Ok((headers, sound).into_response())
}

fn said(number: u64, seed: u64) -> HeaderMap {
    HeaderMap::from_iter([
        (NUMBER, HeaderValue::from(number)),
        (SEED, HeaderValue::from(seed)),
    ])
}

/// A worker that says nothing any more has panicked.
pub(crate) fn ended() -> Failure {
    Failure::internal("the request ended by a bug of this server, which its log tells more of")
}

/// The bytes of an answer as they are made. Dropped, it cancels the rest.
struct Sound {
    /// What was waited for before the answer began.
    first: Option<Event>,
    events: UnboundedReceiver<Event>,
    wrapping: Wrapping,
    ended: bool,
}

impl Stream for Sound {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = match self.first.take() {
            Some(first) => Some(first),
            None => match self.events.poll_recv(context) {
                Poll::Ready(event) => event,
                Poll::Pending => return Poll::Pending,
            },
        };
        let wrapped = match (event, self.wrapping) {
            (Some(Event::Bytes(bytes)), Wrapping::Plain(_)) => Ok(Some(bytes)),
            (Some(Event::Bytes(bytes)), Wrapping::Events) => Ok(Some(delta(&bytes))),
            (Some(Event::Done(_)), Wrapping::Plain(_)) => Ok(None),
            (Some(Event::Done(summary)), Wrapping::Events) => {
                self.ended = true;
                return Poll::Ready(Some(Ok(done(&summary))));
            }
            (Some(Event::Failed(failure)), _) => Err(failure.message),
            (None, _) => Err(ended().message),
        };
        self.ended = !matches!(wrapped, Ok(Some(_)));
        Poll::Ready(wrapped.map_err(std::io::Error::other).transpose())
    }
}

fn delta(bytes: &[u8]) -> Bytes {
    use base64::Engine as _;
    let audio = base64::engine::general_purpose::STANDARD.encode(bytes);
    event(&serde_json::json!({"type": "speech.audio.delta", "audio": audio}))
}

fn done(summary: &Summary) -> Bytes {
    let (input, output) = (summary.text_ids, summary.tokens);
    event(&serde_json::json!({
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": input,
            "output_tokens": output,
            "total_tokens": input + output,
        },
    }))
}

fn event(value: &serde_json::Value) -> Bytes {
    format!("data: {value}\n\n").into()
}
