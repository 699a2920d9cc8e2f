//! The routes of the reference's server.

use axum::body::Body;
use axum::http::{Method, Request, header};
use native::engine::Request as Say;

use crate::asking::{Asked, Form, TRANSCRIPT, by_fox, fox, fox_wav, said};

/// `(speech * 2**15).astype(np.int16)`
fn cut(samples: &[f32]) -> Vec<u8> {
    let cut = |&s: &f32| ((s * 32_768.0).trunc() as i16).to_le_bytes();
    samples.iter().flat_map(cut).collect()
}

#[test]
fn forms_by_get_and_post_are_answered_with_the_references_samples() {
    let server = Asked::new(|_| {});
    let wav = std::fs::read(fox_wav()).unwrap();
    let form = Form::default()
        .text("tts_text", "Hello there.")
        .text("prompt_text", TRANSCRIPT)
        .text("seed", "5")
        .file("prompt_wav", &wav);
    let voice = fox().voice.clone();
    let zero_shot = cut(&said(
        &Say::zero_shot("Hello there.", TRANSCRIPT, voice.clone()).seed(5),
    ));
    for method in [Method::GET, Method::POST] {
        let answer = server.form(method, "/inference_zero_shot", &form).ok();
        assert!(answer.body == zero_shot);
        assert_eq!(answer.header("x-seed"), "5");
    }
    let form = Form::default()
        .text("tts_text", "Hello there.")
        .text("instruct_text", "Slowly.")
        .text("seed", "5")
        .file("prompt_wav", &wav);
    let how = "You are a helpful assistant. Slowly.<|endofprompt|>";
    let instruct = said(&Say::instruct("Hello there.", how, voice.clone()).seed(5));
    let answer = server
        .form(Method::POST, "/inference_instruct2", &form)
        .ok();
    assert!(answer.body == cut(&instruct));
    let text = "You are a helpful assistant.<|endofprompt|>Hello there.";
    let answer = server
        .form(Method::GET, "/inference_cross_lingual", &form)
        .ok();
    assert!(answer.body == cut(&said(&Say::cross_lingual(text, voice).seed(5))));
}

#[test]
fn a_saved_speaker_is_named_in_a_plain_form() {
    let server = Asked::new(|_| {});
    let request = |path: &str, body: &str| {
        Request::get(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let answer = server.ask(request(
        "/inference_sft",
        "tts_text=Hello+there.&spk_id=fox&seed=1",
    ));
    assert!(answer.ok().body == cut(&said(&by_fox("Hello there.", 1))));
    let body = "tts_text=Hello+there.&spk_id=fox&instruct_text=Slowly.";
    server.ask(request("/inference_instruct", body)).ok();
    let refused = server
        .ask(request("/inference_sft", "tts_text=Hello&spk_id=x"))
        .refused(404);
    assert!(refused.contains("there are: fox"), "{refused}");
    let refused = server
        .ask(request("/inference_sft", "spk_id=fox"))
        .refused(422);
    assert!(refused.contains("`tts_text` is missing"), "{refused}");
    let refused = server.ask(request("/inference_sft", "tts_text=a&spk_id=fox&seed=x"));
    assert!(refused.refused(400).contains("`seed`"));
}

#[test]
fn a_recording_that_is_none_is_refused() {
    let server = Asked::new(|_| {});
    let form = Form::default()
        .text("tts_text", "Hello there.")
        .text("prompt_text", "The quick brown fox.")
        .file("prompt_wav", b"no sound at all");
    let refused = server
        .form(Method::POST, "/inference_zero_shot", &form)
        .refused(400);
    assert!(refused.contains("not a wav"), "{refused}");
}
