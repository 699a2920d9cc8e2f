//! Voices that are uploaded.

use axum::http::Method;
use native::model_dir::SavedSpeakers;
use serde_json::json;

use crate::asking::{Asked, Form, TRANSCRIPT, by_fox, fox, fox_wav, pcm, said};

fn upload(name: &str, transcript: &str) -> Form {
    Form::default()
        .text("name", name)
        .text("transcript", transcript)
        .file("audio", &std::fs::read(fox_wav()).unwrap())
}

#[test]
fn an_uploaded_voice_is_saved_as_by_the_command_line_and_can_speak() {
    let server = Asked::new(|_| {});
    let answer = server.form(
        Method::POST,
        "/v1/audio/voices",
        &upload("new", "The quick brown fox."),
    );
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text());
    let names = server.get("/v1/audio/voices").ok().json();
    let names: Vec<_> = names["voices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["name"])
        .collect();
    assert_eq!(names, ["fox", "new"]);
    let saved = SavedSpeakers::open(&server.folder.path().join("voices.pt")).unwrap();
    let saved = saved.get("new").unwrap();
    // The prompt that the model needs was put before the transcript.
    assert_eq!(saved.prompt_text_ids, fox().prompt_text_ids);
    assert_eq!(saved.voice.speech_tokens, fox().voice.speech_tokens);
    let body = json!({
        "model": "tiny", "input": "Hello there.", "voice": "new", "response_format": "pcm", "seed": 4,
    });
    let answer = server.post("/v1/audio/speech", &body).ok();
    assert!(answer.body == pcm(&said(&by_fox("Hello there.", 4).streamed())));
}

#[test]
fn a_speaker_that_is_saved_meanwhile_is_found() {
    let server = Asked::new(|_| {});
    let file = server.folder.path().join("voices.pt");
    SavedSpeakers::update(&file, |all| all.add("later", fox())).unwrap();
    assert_eq!(
        server.get("/speakers").ok().json(),
        json!({"speakers": ["fox", "later"]})
    );
}

#[test]
fn uploads_that_cannot_be_taken_are_refused() {
    let server = Asked::new(|_| {});
    let refused = |form: &Form, status| {
        let answer = server.form(Method::POST, "/v1/audio/voices", form);
        answer.refused(status)
    };
    assert!(refused(&upload("fox", TRANSCRIPT), 409).contains("already"));
    for name in ["", " a", "default", &"a".repeat(101)] {
        assert!(refused(&upload(name, TRANSCRIPT), 400).contains("choose another"));
    }
    let without = Form::default().text("name", "a").text("transcript", "b");
    assert!(refused(&without, 422).contains("`audio` is missing"));
    let closed = Asked::new(|config| config.uploads = false);
    let answer = closed.form(Method::POST, "/v1/audio/voices", &upload("a", TRANSCRIPT));
    assert!(answer.refused(403).contains("--no-uploads"));
}
