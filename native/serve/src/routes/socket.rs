//! A WebSocket that takes the text piece by piece and gives the sound as it is made.
//!
//! The client sends JSON in text messages: first `start`, then any number of `text`, then `end`. It
//! gets a `started`, the sound in binary messages, and a `done` or an `error`. Closing cancels.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::future::{Either, select};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use native_encode::{FileFormat, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{checked, seed};
use crate::app::{App, Submitted};
use crate::error::Failure;
use crate::order::{Order, Output, Pieces, Speaker, Words};
use crate::reply::ended;
use crate::say::Event;
use crate::voices::{OWN, instruction};

/// A message of the client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Asked {
    Start {
        voice: Option<String>,
        instructions: Option<String>,
        response_format: Option<String>,
        sample_rate: Option<u32>,
        seed: Option<u64>,
    },
    Text {
        text: String,
    },
    End,
}

/// `GET /v1/audio/speech/socket`
pub(crate) async fn socket(State(app): State<Arc<App>>, upgrade: WebSocketUpgrade) -> Response {
    let most = app.config.max_bytes;
    upgrade
        .max_message_size(most)
        .on_upgrade(move |socket| async move {
            let (mut to, mut from) = socket.split();
            if let Err(failure) = talk(&app, &mut to, &mut from).await {
                let error = json!({
                    "type": "error", "code": failure.code, "message": failure.message,
                });
                // The client may have gone away, which is no failure of ours.
                let _ = to.send(text(&error)).await;
            }
            let _ = to.close().await;
        })
}

type Sending = SplitSink<WebSocket, Message>;
type Receiving = SplitStream<WebSocket>;

async fn talk(app: &Arc<App>, to: &mut Sending, from: &mut Receiving) -> Result<(), Failure> {
    let Some(first) = next(from).await? else {
        return Ok(());
    };
    let Asked::Start {
        voice,
        instructions,
        response_format,
        sample_rate,
        seed: given,
    } = first
    else {
        return Err(Failure::bad("the first message has to be of type start"));
    };
    let format = response_format.as_deref().unwrap_or("pcm");
    let format: FileFormat = format
        .parse()
        .map_err(|e| Failure::field("response_format", e))?;
    let mut kind = Kind::new(format);
    kind.sample_rate = sample_rate.unwrap_or(kind.sample_rate);
    kind.check()?;
    let seed = seed(given)?;
    let instruct = instructions.filter(|how| !how.trim().is_empty());
    let instruct = instruct
        .map(|how| checked(app, "instructions", how))
        .transpose()?;
    let known = app.voices.get(
        voice.as_deref().unwrap_or(OWN),
        instruct.as_deref().map(instruction),
    )?;
    let (pieces, arriving) = channel();
    let order = Order {
        route: "/v1/audio/speech/socket",
        text: Words::Arriving(Pieces {
            from: arriving,
            patience: app.config.pause_limit,
        }),
        speaker: Speaker::Known(Box::new(known)),
        seed,
        speed: 1.0,
        streamed: true,
        output: Output::Stream(kind),
    };
    let submitted = app.submit(app.place()?, order);
    let started = json!({
        "type": "started",
        "seed": seed,
        "response_format": format.name(),
        "sample_rate": kind.sample_rate,
        "request": submitted.number,
    });
    if to.send(text(&started)).await.is_err() {
        return Ok(());
    }
    let hearing = Box::pin(hear(app, from, pieces));
    let telling = Box::pin(tell(submitted, to));
    // Whichever ends first ends the other: the client has gone, or all is said.
    match select(hearing, telling).await {
        Either::Left((heard, _)) => heard,
        Either::Right((told, _)) => told,
    }
}

/// Hands pieces on until the client goes away. The end of the text is not the end of hearing.
async fn hear(app: &App, from: &mut Receiving, pieces: Sender<String>) -> Result<(), Failure> {
    let mut pieces = Some(pieces);
    let mut all = String::new();
    while let Some(asked) = next(from).await? {
        match (asked, &pieces) {
            (Asked::Text { text }, Some(to)) => {
                all.push_str(&text);
                all = checked(app, "text", all)?;
                // Where nobody takes them, the speech has ended, which is told.
                let _ = to.send(text);
            }
            (Asked::End, Some(_)) => pieces = None,
            (Asked::Start { .. }, _) => {
                return Err(Failure::bad("a connection says one text: open another"));
            }
            (Asked::Text { .. } | Asked::End, None) => {
                return Err(Failure::bad("the text has ended already"));
            }
        }
    }
    Ok(())
}

/// Sends what is said.
async fn tell(mut submitted: Submitted, to: &mut Sending) -> Result<(), Failure> {
    loop {
        let message = match submitted.events.recv().await.ok_or_else(ended)? {
            Event::Bytes(bytes) => Message::Binary(bytes),
            Event::Failed(failure) => return Err(failure),
            Event::Done(summary) => {
                let done = json!({
                    "type": "done", "seconds": summary.seconds(), "speech_tokens": summary.tokens,
                });
                // The client may have gone away.
                let _ = to.send(text(&done)).await;
                return Ok(());
            }
        };
        if to.send(message).await.is_err() {
            return Ok(());
        }
    }
}

/// The next message; `None` if the client has gone away.
async fn next(from: &mut Receiving) -> Result<Option<Asked>, Failure> {
    loop {
        let bytes: Bytes = match from.next().await {
            None | Some(Err(_) | Ok(Message::Close(_))) => return Ok(None),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
        };
        let asked = serde_json::from_slice(&bytes);
        return asked
            .map(Some)
            .map_err(|e| Failure::bad(format!("the message's JSON: {e}")));
    }
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}
