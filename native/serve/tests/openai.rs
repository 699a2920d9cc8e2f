//! OpenAI's API.

use base64::Engine as _;
use native::audio::SoundFile;
use native::engine::{Mode, Request, Voice};
use serde_json::{Value, json};

use crate::asking::{Asked, by_fox, fox, pcm, said};

fn body(change: Value) -> Value {
    let mut body = json!({
        "model": "tiny", "input": "Hello there.", "voice": "fox", "response_format": "pcm", "seed": 3,
    });
    for (key, value) in change.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn the_sound_is_the_command_lines_for_its_seed_streamed_and_whole() {
    let server = Asked::new(|_| {});
    let request = by_fox("Hello there.", 3);
    let answer = server.post("/v1/audio/speech", &body(json!({}))).ok();
    assert_eq!(answer.header("x-seed"), "3");
    assert_eq!(answer.header("content-type"), "audio/pcm");
    assert!(answer.body == pcm(&said(&request.clone().streamed())));
    // Earlier requests leave no trace, such as a hop that has grown.
    let again = server.post("/v1/audio/speech", &body(json!({}))).ok();
    assert!(again.body == answer.body);
    let whole = server
        .post("/v1/audio/speech", &body(json!({"stream": false})))
        .ok();
    let expected = said(&request.clone());
    assert!(whole.body == pcm(&expected));
    let seconds = format!("{:.3}", expected.len() as f64 / 24_000.0);
    assert_eq!(whole.header("x-audio-duration"), seconds);
    let fast = server
        .post("/v1/audio/speech", &body(json!({"speed": 2})))
        .ok();
    assert!(fast.body == pcm(&said(&request.speed(2.0))));
}

#[test]
fn a_seed_is_drawn_where_none_is_given_and_says_the_same_again() {
    let server = Asked::new(|_| {});
    let first = server
        .post("/v1/audio/speech", &body(json!({"seed": null})))
        .ok();
    let seed: u64 = first.header("x-seed").parse().unwrap();
    let again = server
        .post("/v1/audio/speech", &body(json!({"seed": seed})))
        .ok();
    assert!(first.body == again.body);
}

#[test]
fn an_instruction_reaches_the_model_also_with_a_saved_speaker() {
    let server = Asked::new(|_| {});
    let answer = server.post(
        "/v1/audio/speech",
        &body(json!({"instructions": "Speak slowly."})),
    );
    let instruct = "You are a helpful assistant. Speak slowly.<|endofprompt|>".to_owned();
    let voice = Voice::Prompt(fox().voice.clone());
    let request = Request::new(Mode::Instruct { instruct }, "Hello there.", voice).seed(3);
    assert!(answer.ok().body == pcm(&said(&request.streamed())));
}

#[test]
fn every_format_can_be_read_and_has_its_media_type() {
    let server = Asked::new(|_| {});
    for (format, media_type, container) in [
        (json!("wav"), "audio/wav", "wav"),
        (json!("flac"), "audio/flac", "flac"),
        (json!("mp3"), "audio/mpeg", "mp3"),
        (json!(null), "audio/mpeg", "mp3"),
        (json!("opus"), "audio/ogg", "Ogg"),
    ] {
        for stream in [true, false] {
            let change = json!({"response_format": format, "stream": stream});
            let answer = server.post("/v1/audio/speech", &body(change)).ok();
            assert_eq!(answer.header("content-type"), media_type);
            let mut file = SoundFile::from_bytes(answer.body.to_vec(), "answer").unwrap();
            assert_eq!(file.container(), container);
            let mut samples = Vec::new();
            while file.read_block(&mut samples).unwrap() {}
            assert!(samples.len() > 2000, "{format} {stream}: {}", samples.len());
        }
    }
}

#[test]
fn server_sent_events_carry_the_same_sound() {
    let server = Asked::new(|_| {});
    let plain = server.post("/v1/audio/speech", &body(json!({}))).ok();
    let change = json!({"stream_format": "sse"});
    let answer = server.post("/v1/audio/speech", &body(change)).ok();
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = answer.text();
    let events = text.split_terminator("\n\n").map(|event| -> Value {
        serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()
    });
    let events: Vec<_> = events.collect();
    let (done, deltas) = events.split_last().unwrap();
    let mut sound = Vec::new();
    for delta in deltas {
        assert_eq!(delta["type"], "speech.audio.delta");
        let audio = delta["audio"].as_str().unwrap();
        sound.extend(
            base64::engine::general_purpose::STANDARD
                .decode(audio)
                .unwrap(),
        );
    }
    assert!(sound == plain.body);
    assert_eq!(done["type"], "speech.audio.done");
    assert!(done["usage"]["output_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let server = Asked::new(|config| {
        config.max_characters = 50;
        config.max_bytes = 3000;
    });
    for (change, status, expected) in [
        (json!({"model": "gpt"}), 404, "there is: tiny"),
        (json!({"voice": "nobody"}), 404, "there are: fox"),
        (json!({"voice": 7}), 400, "neither a name nor an object"),
        (json!({"response_format": "aac"}), 400, "wav, pcm, flac"),
        (
            json!({"response_format": "opus", "sample_rate": 44_100}),
            400,
            "48000",
        ),
        (json!({"sample_format": "int24"}), 400, "int16 or float32"),
        (json!({"speed": 9}), 400, "0.25 to 4"),
        (json!({"stream_format": "xml"}), 400, "audio or sse"),
        (json!({"stream_format": "sse", "stream": false}), 400, "sse"),
        (json!({"input": "a".repeat(51)}), 400, "50 are the most"),
        (json!({"input": "a".repeat(4000)}), 413, "limit"),
        (json!({"input": " … "}), 400, "nothing to say"),
        (json!({"inputs": "x"}), 400, "inputs"),
    ] {
        let message = server
            .post("/v1/audio/speech", &body(change))
            .refused(status);
        assert!(message.contains(expected), "{message}");
    }
    let nowhere = server.get("/v1/audio/nothing").refused(404);
    assert!(nowhere.contains("/v1/audio/nothing"));
}

#[test]
fn a_voice_can_be_an_object_and_a_model_can_have_another_name() {
    let server = Asked::new(|config| config.aliases.push("tts-1".to_owned()));
    let change = json!({"voice": {"id": "fox"}, "model": "tts-1"});
    server.post("/v1/audio/speech", &body(change)).ok();
    let models = server.get("/v1/models").ok().json();
    let names: Vec<_> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["id"])
        .collect();
    assert_eq!(names, ["tiny", "tts-1"]);
}
