//! `/synthesize`, and what the server says of itself.

use native::audio::{SoundFile, Waveform};
use native::engine::Request as Say;
use serde_json::json;

use crate::asking::{Asked, TRANSCRIPT, by_fox, fox, fox_wav, pcm, said};

fn samples(wav: Vec<u8>) -> Vec<f32> {
    let mut file = SoundFile::from_bytes(wav, "answer").unwrap();
    let mut samples = Vec::new();
    while file.read_block(&mut samples).unwrap() {}
    samples
}

#[test]
fn a_text_is_answered_with_a_wav_that_states_its_length() {
    let recordings = tempfile::tempdir().unwrap();
    std::fs::create_dir(recordings.path().join("in")).unwrap();
    std::fs::copy(fox_wav(), recordings.path().join("in/fox.wav")).unwrap();
    let server = Asked::new(|config| config.prompt_dir = Some(recordings.path().to_owned()));
    let named = json!({"text": "Hello there.", "speaker": "fox", "seed": 2});
    let answer = server.post("/synthesize", &named).ok();
    let expected = said(&by_fox("Hello there.", 2));
    // A header of 44 bytes, which states as many bytes as there are.
    assert!(answer.body[44..] == pcm(&expected));
    assert_eq!(
        answer.body[40..44],
        (2 * expected.len() as u32).to_le_bytes()
    );
    let seconds = format!("{:.3}", expected.len() as f64 / 24_000.0);
    assert_eq!(answer.header("x-audio-duration"), seconds);

    let by_path = json!({
        "text": "Hello there.", "prompt_text": TRANSCRIPT, "prompt_audio": "in/fox.wav", "seed": 2,
        "speed": 1.5,
    });
    let answer = server.post("/synthesize", &by_path).ok();
    let request = Say::zero_shot("Hello there.", TRANSCRIPT, fox().voice.clone());
    assert!(answer.body[44..] == pcm(&said(&request.seed(2).speed(1.5))));
    assert_eq!(
        samples(answer.body.to_vec()).len() * 2,
        answer.body.len() - 44
    );
}

#[test]
fn a_path_leads_nowhere_outside_the_folder_of_recordings() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.wav");
    std::fs::copy(fox_wav(), &secret).unwrap();
    let recordings = tempfile::tempdir().unwrap();
    let link = recordings.path().join("link.wav");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), recordings.path().join("folder")).unwrap();
    assert!(
        Waveform::read(&link).is_ok(),
        "the link leads to a recording"
    );
    let server = Asked::new(|config| config.prompt_dir = Some(recordings.path().to_owned()));
    let relative = format!(
        "../{}/secret.wav",
        outside.path().file_name().unwrap().display()
    );
    for path in [
        "link.wav",
        "folder/secret.wav",
        secret.to_str().unwrap(),
        &relative,
        "missing.wav",
        "/etc/passwd",
        ".",
        "",
    ] {
        let body = json!({"text": "Hello.", "prompt_text": "A fox.", "prompt_audio": path});
        let message = server.post("/synthesize", &body).refused(400);
        assert_eq!(
            message,
            format!("there is no recording `{path}` in the folder of recordings")
        );
    }
    let without = Asked::new(|_| {});
    let body = json!({"text": "Hello.", "prompt_audio": "link.wav"});
    let message = without.post("/synthesize", &body).refused(400);
    assert!(message.contains("--prompt-dir"), "{message}");
}

#[test]
fn contradictory_voices_are_refused() {
    let server = Asked::new(|_| {});
    for (body, expected) in [
        (
            json!({"text": "Hi.", "speaker": "fox", "prompt_audio": "a"}),
            "name one",
        ),
        (
            json!({"text": "Hi.", "prompt_text": "A."}),
            "`prompt_audio` is missing",
        ),
        (
            json!({"text": "Hi.", "speaker": "fox", "speed": 0}),
            "impossible speed",
        ),
        (json!({"speaker": "fox"}), "missing field `text`"),
    ] {
        let message = server.post("/synthesize", &body).refused(400);
        assert!(message.contains(expected), "{message}");
    }
    // The tiny model has no voice of its own.
    let message = server
        .post("/synthesize", &json!({"text": "Hello."}))
        .refused(404);
    assert!(message.contains("there are: fox"), "{message}");
}

#[test]
fn the_server_says_how_it_is_and_what_it_has_done() {
    let server = Asked::new(|_| {});
    let health = server.get("/health").ok().json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["model"], "tiny");
    assert_eq!(
        server.get("/speakers").ok().json(),
        json!({"speakers": ["fox"]})
    );
    let body = json!({"text": "Hello there.", "speaker": "fox"});
    let seconds: f64 = {
        let answer = server.post("/synthesize", &body).ok();
        answer.header("x-audio-duration").parse().unwrap()
    };
    server
        .post("/synthesize", &json!({"text": "", "speaker": "fox"}))
        .refused(400);
    let metrics = server.get("/metrics").ok().text();
    let line = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(
        line("native_requests_total{route=\"/synthesize\",outcome=\"done\"}"),
        1.0
    );
    assert_eq!(
        line("native_requests_total{route=\"/synthesize\",outcome=\"failed\"}"),
        1.0
    );
    assert!((line("native_speech_seconds_total") - seconds).abs() < 0.001);
    assert_eq!(line("native_requests_waiting"), 0.0);
    assert_eq!(line("native_http_responses_total{status=\"400\"}"), 1.0);
}
