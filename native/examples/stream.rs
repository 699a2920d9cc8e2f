//! Streams a sentence to standard output as raw float32, while it is still being sampled.
//!
//!     cargo run --release --example stream -- MODEL_DIR VOICE.wav "TRANSCRIPT" "TEXT" |
//!         aplay -f FLOAT_LE -r 24000

use std::io::Write;
use std::path::Path;

use native::audio::Waveform;
use native::engine::{Engine, Request};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model_dir, recording, transcript, text] = arguments.as_slice() else {
        return Err("usage: stream MODEL_DIR VOICE.wav TRANSCRIPT TEXT".into());
    };
    let engine = Engine::builder(model_dir).build()?;
    let voice = engine.voice(&Waveform::read(Path::new(recording))?)?;
    let transcript = format!("You are a helpful assistant.<|endofprompt|>{transcript}");
    let request = Request::zero_shot(text.as_str(), transcript, voice).streamed();
    let mut out = std::io::stdout().lock();
    for chunk in engine.speak(&request)? {
        for sample in chunk?.samples {
            out.write_all(&sample.to_le_bytes())?;
        }
        out.flush()?;
    }
    Ok(())
}
