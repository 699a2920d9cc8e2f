//! Streaming with the tiny model: what a listener gets, and that the work ends when nobody listens.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::model;
use native::audio::Waveform;
use native::engine::{Chunk, Engine, Hop, Mode, Request, Speech, SpeechStream, Text, Voice};
use native::llm::SharedRng;
use native::torch_rng::{Multinomial, TorchRng};
use native::voice::VoicePrompt;

/// Samples of one speech token, and what a chunk that is not the last one holds back: eight mel
/// frames, of which the vocoder needs to see what follows.
const TOKEN: usize = 960;
const HELD_BACK: usize = 8 * 480;

const SHORT: &str = "Hello there, this is a short test.";
const LONG: &str = "Nobody had expected it, least of all the people who had packed the boxes in \
                    the cold, and the second order arrived late again, as the whole town had said.";

fn engine() -> Engine {
    Engine::builder(model::tiny())
        .build()
        .expect("the model loads")
}

fn shared() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(engine);
    &ENGINE
}

fn recording(name: &str) -> Waveform {
    let path = model::workspace().join("golden/prompts").join(name);
    Waveform::read(&path).expect("a prompt")
}

fn voice() -> VoicePrompt {
    static VOICE: LazyLock<VoicePrompt> =
        LazyLock::new(|| shared().voice(&recording("fox_22k.wav")).expect("a voice"));
    VOICE.clone()
}

fn zero_shot(text: &str) -> Request {
    let prompt_text = "You are a helpful assistant.<|endofprompt|>The quick brown fox.";
    Request::zero_shot(text, prompt_text, voice()).seed(11)
}

fn conversion() -> Request {
    Request::convert(recording("story_44k_stereo.wav"), voice()).seed(11)
}

fn stream(engine: &Engine, request: &Request, hop: &Hop) -> SpeechStream {
    let request = request.clone().streamed_with(hop);
    engine.speak(&request).expect("a stream")
}

fn chunks(request: &Request, hop: &Hop) -> Vec<Chunk> {
    let chunks = stream(shared(), request, hop).collect::<native::Result<_>>();
    chunks.expect("chunks")
}

fn at_once(request: &Request) -> Vec<Chunk> {
    let segments = shared().speak(request).expect("a request that can be said");
    segments.collect::<native::Result<_>>().expect("segments")
}

#[test]
fn a_stream_says_the_same_tokens_and_lasts_as_long_as_a_synthesis_at_once() {
    let long = format!("{LONG} {LONG} {LONG}");
    for request in [zero_shot(SHORT), zero_shot(&long), conversion()] {
        let segments = at_once(&request);
        let chunks = chunks(&request, &Hop::default());
        let ends: Vec<_> = chunks.iter().filter_map(|c| c.end.as_ref()).collect();
        assert_eq!(ends.len(), segments.len());
        for (index, (end, segment)) in ends.iter().zip(&segments).enumerate() {
            let said = segment.end.as_ref().expect("every segment ends");
            assert_eq!(end.tokens, said.tokens);
            assert_eq!(end.kept, said.kept);
            assert_eq!(end.stop, said.stop);
            let of_segment = chunks.iter().filter(|c| c.segment == index);
            let samples: usize = of_segment.map(|c| c.samples.len()).sum();
            assert_eq!(samples, segment.samples.len());
        }
    }
}

#[test]
fn chunks_follow_the_hop_which_the_next_request_inherits() {
    // 150 speech tokens, after 55 of the prompt.
    let mut source = recording("story_44k_stereo.wav");
    source.samples = source.samples.repeat(3);
    let request = Request::convert(source, voice()).seed(11);
    let hop = Hop::default();
    let sizes = || -> Vec<usize> {
        let chunks = chunks(&request, &hop);
        chunks.iter().map(|c| c.samples.len()).collect()
    };
    // The first chunk fills the prompt up to 75 or 100 tokens, and goes 25 or 100 further.
    let first = [45, 50, 55].map(|tokens| tokens * TOKEN);
    let first = [first[0] - HELD_BACK, first[1], first[2] + HELD_BACK];
    assert_eq!(sizes(), first);
    assert_eq!(hop.tokens(), 100);
    assert_eq!(sizes(), [145 * TOKEN - HELD_BACK, 5 * TOKEN + HELD_BACK]);
}

#[test]
fn the_first_chunk_comes_before_the_last_token() {
    let engine = shared();
    let mut stream = stream(engine, &zero_shot(LONG), &Hop::default());
    let first = stream.next().expect("a chunk").expect("no error");
    assert!(first.end.is_none());
    assert!(
        stream
            .last()
            .expect("a last chunk")
            .expect("no error")
            .end
            .is_some()
    );
}

#[test]
fn a_dropped_stream_stops_working_at_once() {
    let engine = engine();
    let request = zero_shot(&format!("{LONG} {LONG} {LONG}"));
    for taken in 0..2 {
        let mut stream = stream(&engine, &request, &Hop::default());
        for _ in 0..taken {
            stream.next().expect("a chunk").expect("no error");
        }
        assert!(engine.active_streams() > 0);
        let dropped = Instant::now();
        drop(stream);
        while engine.active_streams() > 0 {
            let waited = dropped.elapsed();
            assert!(
                waited < Duration::from_secs(20),
                "still at work after {waited:?}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn all(speech: SpeechStream) -> native::Result<Speech> {
    speech.collect()
}

#[test]
fn pieces_that_arrive_say_what_pieces_that_are_known_say() {
    let pieces = ["Hello there, ", "this is a ", "short test."].map(str::to_owned);
    for request in [zero_shot(""), zero_shot("").streamed()] {
        let mut known = request.clone();
        known.text = Text::Pieces(pieces.to_vec());
        known.stream = request.stream.as_ref().map(|_| Hop::default());
        let known = all(shared().speak(&known).expect("known")).expect("speech");
        let arriving = pieces.clone().into_iter().map(Ok);
        let arriving = shared()
            .speak_arriving(&request, arriving)
            .expect("a start");
        let arriving = all(arriving).expect("speech");
        assert_eq!(arriving.segments[0].tokens, known.segments[0].tokens);
        assert_eq!(arriving.samples, known.samples);
    }
}

#[test]
fn pieces_are_taken_while_the_text_is_spoken() {
    let (sender, arriving) = std::sync::mpsc::channel();
    let request = zero_shot("").streamed();
    let mut speech = shared()
        .speak_arriving(&request, arriving)
        .expect("a start");
    for piece in LONG.split_inclusive(' ') {
        sender.send(Ok(piece.to_owned())).expect("somebody listens");
    }
    // The text has not ended yet, and the first sound comes all the same.
    let first = speech.next().expect("a chunk").expect("no error");
    assert!(first.end.is_none());
    drop(sender);
    assert!(all(speech).expect("the rest").segments[0].tokens.len() > 25);
}

#[test]
fn an_error_among_the_pieces_ends_the_speech_with_it() {
    for request in [zero_shot(""), zero_shot("").streamed()] {
        let pieces = [
            Ok("Hello".to_owned()),
            Err(native::Error::input("the line is cut")),
        ];
        let speech = shared().speak_arriving(&request, pieces).expect("a start");
        let error = all(speech).expect_err("an error").to_string();
        assert_eq!(error, "the line is cut");
        let speech = shared().speak_arriving(&request, [Ok(" ".to_owned())]);
        let error = all(speech.expect("a start")).expect_err("nothing to say");
        assert!(error.to_string().contains("nothing to say"), "{error}");
    }
    let none: [native::Result<String>; 0] = [];
    let refused = shared().speak_arriving(&conversion(), none);
    assert!(
        refused
            .err()
            .expect("refused")
            .to_string()
            .contains("no text")
    );
}

#[test]
fn a_cancelled_request_ends_with_an_error_and_not_as_if_all_were_said() {
    let request = zero_shot(&format!("{LONG} {LONG} {LONG}"));
    for request in [request.clone(), request.streamed()] {
        let mut speech = shared().speak(&request).expect("a start");
        let canceller = speech.canceller();
        let cancelling = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            canceller.cancel();
        });
        let last = speech.by_ref().last().expect("an item");
        assert!(
            last.expect_err("an error")
                .to_string()
                .contains("cancelled")
        );
        assert!(speech.next().is_none());
        cancelling.join().expect("no panic");
    }
}

#[test]
fn requests_that_share_a_generator_continue_it_from_one_to_the_next() {
    let rng = SharedRng::new(TorchRng::new(11, Multinomial::MklStream));
    let first = at_once(&zero_shot(SHORT).drawing_from(&rng));
    assert_eq!(first[0].samples, at_once(&zero_shot(SHORT))[0].samples);
    let second = at_once(&zero_shot(SHORT).drawing_from(&rng));
    assert_ne!(first[0].samples, second[0].samples);
    // A draw for each token and for the mark that ends them, and another where it is a repetition.
    let tokens = |chunks: &[Chunk]| chunks[0].end.as_ref().expect("an end").tokens.len() + 1;
    let fewest = (tokens(&first) + tokens(&second)) as u64;
    let mut expected = TorchRng::new(11, Multinomial::MklStream);
    expected.skip(fewest);
    let ahead = |rng: &TorchRng| {
        let mut rng = rng.clone();
        [(); 4].map(|()| rng.next_u32())
    };
    let here = ahead(&rng.rng());
    let reached = (0..=fewest).any(|_| {
        let there = ahead(&expected);
        expected.skip(1);
        there == here
    });
    assert!(
        reached,
        "the generator is not {fewest} draws on, nor at most twice as many"
    );
}

#[test]
fn a_text_that_cannot_be_said_is_refused_before_the_first_chunk() {
    let mut request = zero_shot(SHORT).streamed_with(&Hop::default());
    request.mode = Mode::CrossLingual;
    let error = shared().speak(&request).err().expect("refused").to_string();
    assert!(error.contains("<|endofprompt|>"), "{error}");
}

#[test]
fn a_speed_is_refused_for_a_stream() {
    let request = zero_shot(SHORT).speed(1.2).streamed();
    let error = shared().speak(&request).err().expect("refused").to_string();
    assert!(error.contains("1.2"), "{error}");
}

#[test]
fn a_voice_without_any_token_can_be_streamed_in() {
    // A prompt too short for a speech token of its own: no padding, no prompt mel.
    let whole = voice();
    let mut request = zero_shot(SHORT);
    request.voice = Voice::Prompt(VoicePrompt {
        speech_tokens: Vec::new(),
        mel: whole.mel.narrow(0, 0, 0).expect("no frames"),
        speaker_embedding: whole.speaker_embedding.clone(),
    });
    let chunks = chunks(&request, &Hop::default());
    let tokens = chunks
        .last()
        .and_then(|c| c.end.as_ref())
        .expect("an end")
        .kept
        .len();
    let samples: usize = chunks.iter().map(|c| c.samples.len()).sum();
    assert_eq!(samples, tokens * TOKEN);
}

#[test]
fn an_engine_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Engine>();
    shareable::<Request>();
    fn movable<T: Send>() {}
    movable::<SpeechStream>();
}
