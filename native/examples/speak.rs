//! Says a sentence in the voice of a recording.
//!
//!     cargo run --release --example speak -- MODEL_DIR VOICE.wav "TRANSCRIPT" "TEXT" OUT.wav

use std::path::Path;

use native::audio::Waveform;
use native::engine::{Engine, Request, Speech};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model_dir, recording, transcript, text, out] = arguments.as_slice() else {
        return Err("usage: speak MODEL_DIR VOICE.wav TRANSCRIPT TEXT OUT.wav".into());
    };
    let engine = Engine::builder(model_dir).build()?;
    let voice = engine.voice(&Waveform::read(Path::new(recording))?)?;
    let transcript = format!("You are a helpful assistant.<|endofprompt|>{transcript}");
    let request = Request::zero_shot(text.as_str(), transcript, voice).seed(1);
    let speech: Speech = engine.speak(&request)?.collect::<native::Result<_>>()?;
    println!("{out}: {:.2} s", speech.seconds());
    let wave = Waveform {
        samples: speech.samples,
        sample_rate: Engine::SAMPLE_RATE,
    };
    Ok(wave.write_f32(Path::new(out))?)
}
