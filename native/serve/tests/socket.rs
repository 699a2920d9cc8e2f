//! The WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use native::engine::{Mode, Request, Text, Voice};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::asking::{fox, pcm, runtime, said, server};

/// What a server sends in answer to some messages: the sound, and the other messages.
fn talk(messages: &[Value]) -> (Vec<u8>, Vec<Value>) {
    let (server, _folder) = server(|config| config.max_characters = 100);
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(server.serve(listener, std::future::pending()));
        let address = format!("ws://{address}/v1/audio/speech/socket");
        let (mut socket, _) = connect_async(address).await.unwrap();
        for message in messages {
            socket
                .send(Message::text(message.to_string()))
                .await
                .unwrap();
        }
        let (mut sound, mut told) = (Vec::new(), Vec::new());
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Binary(bytes) => sound.extend_from_slice(&bytes),
                Message::Text(text) => told.push(serde_json::from_str(&text).unwrap()),
                _ => {}
            }
        }
        serving.abort();
        (sound, told)
    })
}

#[test]
fn text_in_pieces_is_said_as_by_the_command_line() {
    let pieces = ["Hello ", "there, ", "how are ", "you?"];
    let mut messages = vec![json!({"type": "start", "voice": "fox", "seed": 6})];
    messages.extend(pieces.map(|text| json!({"type": "text", "text": text})));
    messages.push(json!({"type": "end"}));
    let (sound, told) = talk(&messages);
    let [started, done] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(started["type"], "started");
    assert_eq!(
        (&started["seed"], &started["sample_rate"]),
        (&json!(6), &json!(24_000))
    );
    assert_eq!(done["type"], "done");
    let mode = Mode::ZeroShot {
        prompt_text: String::new(),
    };
    let text = Text::Pieces(pieces.map(str::to_owned).to_vec());
    let request = Request::new(mode, text, Voice::Saved(fox().clone())).seed(6);
    assert!(sound == pcm(&said(&request.streamed())));
}

#[test]
fn what_is_wrong_with_a_message_is_said() {
    let start = json!({"type": "start", "voice": "fox"});
    let text = |text: &str| json!({"type": "text", "text": text});
    for (messages, expected) in [
        (vec![text("Hello.")], "of type start"),
        (
            vec![json!({"type": "start", "voice": "x"})],
            "there are: fox",
        ),
        (vec![json!({"type": "begin"})], "unknown variant"),
        (vec![start.clone(), start.clone()], "one text"),
        (
            vec![start.clone(), text(&"a".repeat(101))],
            "100 are the most",
        ),
        (
            vec![start.clone(), json!({"type": "end"})],
            "nothing to say",
        ),
        (
            vec![json!({"type": "start", "voice": "fox", "instructions": "a".repeat(101)})],
            "`instructions` has 101 characters",
        ),
    ] {
        let (_, told) = talk(&messages);
        let error = told.last().unwrap();
        assert_eq!(error["type"], "error", "{told:?}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}
