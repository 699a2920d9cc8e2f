//! The routes of the reference's own server (`runtime/python/fastapi/server.py`): forms by GET and
//! POST, answered with 16-bit samples at 24 kHz, segment by segment.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::{checked, seed};
use crate::app::App;
use crate::error::Failure;
use crate::form::Form;
use crate::order::{Manner, Order, Output, Speaker, Words};
use crate::reply::{Wrapping, streamed};
use crate::voices::{instruction, prompted};

type Route = (&'static str, fn() -> MethodRouter<Arc<App>>);

/// The paths, each for both methods.
pub(super) const ROUTES: [Route; 5] = [
    ("/inference_sft", || get(sft).post(sft)),
    ("/inference_zero_shot", || get(zero_shot).post(zero_shot)),
    ("/inference_cross_lingual", || {
        get(cross_lingual).post(cross_lingual)
    }),
    ("/inference_instruct", || get(instruct).post(instruct)),
    ("/inference_instruct2", || get(instruct2).post(instruct2)),
];

type Shared = State<Arc<App>>;

/// A saved speaker. In the reference, a model of that family has none of its own training.
async fn sft(State(app): Shared, mut form: Form) -> Result<Response, Failure> {
    let known = app.voices.get(&form.needed("spk_id")?, None)?;
    say(app, "/inference_sft", form, Speaker::Known(Box::new(known))).await
}

async fn zero_shot(State(app): Shared, mut form: Form) -> Result<Response, Failure> {
    let transcript = checked(&app, "prompt_text", form.needed("prompt_text")?)?;
    let speaker = Speaker::Recording {
        sound: form.needed_recording("prompt_wav")?,
        manner: Manner::ZeroShot {
            transcript: prompted(&transcript),
        },
    };
    say(app, "/inference_zero_shot", form, speaker).await
}

async fn cross_lingual(State(app): Shared, mut form: Form) -> Result<Response, Failure> {
    let speaker = Speaker::Recording {
        sound: form.needed_recording("prompt_wav")?,
        manner: Manner::CrossLingual,
    };
    say(app, "/inference_cross_lingual", form, speaker).await
}

/// A saved speaker with an instruction. In the reference, only the first model has it.
async fn instruct(State(app): Shared, mut form: Form) -> Result<Response, Failure> {
    let how = checked(&app, "instruct_text", form.needed("instruct_text")?)?;
    let speaker = form.needed("spk_id")?;
    let known = app.voices.get(&speaker, Some(instruction(&how)))?;
    say(
        app,
        "/inference_instruct",
        form,
        Speaker::Known(Box::new(known)),
    )
    .await
}

async fn instruct2(State(app): Shared, mut form: Form) -> Result<Response, Failure> {
    let how = checked(&app, "instruct_text", form.needed("instruct_text")?)?;
    let speaker = Speaker::Recording {
        sound: form.needed_recording("prompt_wav")?,
        manner: Manner::Instruct {
            instruct: instruction(&how),
        },
    };
    say(app, "/inference_instruct2", form, speaker).await
}

/// Says `tts_text`. The fields `seed`, `speed` and `stream` are the reference's arguments, which its
/// own server does not take.
async fn say(
    app: Arc<App>,
    route: &'static str,
    mut form: Form,
    speaker: Speaker,
) -> Result<Response, Failure> {
    let mut text = checked(&app, "tts_text", form.needed("tts_text")?)?;
    if let Speaker::Recording {
        manner: Manner::CrossLingual,
        ..
    } = speaker
    {
        text = prompted(&text);
    }
    let seed = seed(form.parsed("seed")?)?;
    let order = Order {
        route,
        text: Words::Whole(text),
        speaker,
        seed,
        speed: form.parsed("speed")?.unwrap_or(1.0),
        streamed: form.parsed("stream")?.unwrap_or(false),
        output: Output::Reference,
    };
    let submitted = app.submit(app.place()?, order);
    streamed(submitted, seed, Wrapping::Plain("audio/pcm")).await
}
