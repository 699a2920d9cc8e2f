//! Many requests at once, clients that go away, and the end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::asking::{Asked, answer, by_fox, json as request, pcm, runtime, said, server};

fn body(text: &str, seed: u64) -> Value {
    json!({
        "model": "tiny", "input": text, "voice": "fox", "response_format": "pcm", "seed": seed,
    })
}

#[test]
fn requests_at_once_do_not_disturb_each_other() {
    let asked = Asked::new(|config| config.workers = 3);
    let texts = ["Hello there.", "It costs $5.", "Good morning."];
    let asking = (0..6).map(|seed: u64| {
        let body = body(texts[seed as usize % 3], seed);
        answer(asked.router.clone(), request("/v1/audio/speech", &body))
    });
    let answers = runtime().block_on(join_all(asking));
    for (seed, answer) in (0..).zip(answers) {
        let expected = said(&by_fox(texts[seed as usize % 3], seed).streamed());
        assert!(answer.ok().body == pcm(&expected), "seed {seed}");
    }
}

#[test]
fn more_requests_than_may_wait_are_told_when_to_come_again() {
    let asked = Asked::new(|config| (config.workers, config.queue) = (1, 1));
    let asking = (0..5).map(|seed| {
        let body = body("Hello there, how are you today?", seed);
        answer(asked.router.clone(), request("/v1/audio/speech", &body))
    });
    let answers = runtime().block_on(join_all(asking));
    let (said, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status.is_success());
    assert_eq!((said.len(), refused.len()), (2, 3));
    for answer in refused {
        assert!(answer.refused(429).contains("try again"));
        assert!((1..=60).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    }
}

#[test]
fn a_request_that_takes_too_long_is_given_up() {
    let asked = Asked::new(|config| config.time_limit = Duration::from_millis(1));
    let answer = asked.post("/v1/audio/speech", &body("Hello there.", 1));
    assert!(answer.refused(504).contains("time limit"));
}

/// A server on a port of its own, until it is stopped.
struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Listening {
    fn start() -> Self {
        let (server, folder) = server(|config| {
            (config.workers, config.queue) = (1, 2);
            config.stall_limit = Duration::from_secs(1);
        });
        let listener = runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = runtime().spawn(server.serve(listener, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            served,
            _folder: folder,
        }
    }

    fn ask(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn health(&self) -> Value {
        let mut text = String::new();
        self.ask("GET /health", "")
            .read_to_string(&mut text)
            .unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

#[test]
fn a_client_that_goes_away_makes_room_and_the_end_waits_for_what_has_begun() {
    let mut server = Listening::start();
    // 400 words, which take minutes to say.
    let long = body(&"The quick brown fox jumps. ".repeat(80), 1);
    let mut first = server.ask("POST /v1/audio/speech", &long.to_string());
    let mut head = [0; 12];
    first.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert_eq!(server.health()["running"], 1);
    drop(first);
    let began = Instant::now();
    while server.health()["running"] != 0 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it is still said"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // What has begun when the server is asked to end is finished, and what waits, too.
    let short = body("Hello there.", 1).to_string();
    let mut asked = [0, 1].map(|_| server.ask("POST /v1/audio/speech", &short));
    while server.health()["running"] == 0 {}
    server.stop.take().unwrap().send(()).unwrap();
    for stream in &mut asked {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        // The last chunk of the answer, which a connection that is cut has not.
        assert!(answer.ends_with(b"\r\n0\r\n\r\n"));
    }
    runtime().block_on(server.served).unwrap().unwrap();
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
    let mut server = Listening::start();
    let mut deaf = TcpStream::connect(server.address).unwrap();
    // The answers, 5000 times the page, are more than the system keeps for a connection.
    deaf.write_all("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000).as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.stop.take().unwrap().send(()).unwrap();
    let ended = runtime()
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), server.served).await });
    ended
        .expect("the server waits for the client")
        .unwrap()
        .unwrap();
}
