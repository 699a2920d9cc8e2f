//! Saves the voice of a recording under a name, in the file that the reference reads too.
//!
//!     cargo run --release --example clone_voice -- MODEL_DIR VOICE.wav "TRANSCRIPT" NAME SPEAKERS.pt

use std::path::Path;

use native::audio::Waveform;
use native::engine::Engine;
use native::model_dir::{SavedSpeaker, SavedSpeakers};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model_dir, recording, transcript, name, speakers] = arguments.as_slice() else {
        return Err("usage: clone_voice MODEL_DIR VOICE.wav TRANSCRIPT NAME SPEAKERS.pt".into());
    };
    let engine = Engine::builder(model_dir).build()?;
    let voice = engine.voice(&Waveform::read(Path::new(recording))?)?;
    let transcript = format!("You are a helpful assistant.<|endofprompt|>{transcript}");
    let speaker = SavedSpeaker::new(engine.frontend(), &transcript, &voice)?;
    let mut saved = SavedSpeakers::open(Path::new(speakers))?;
    saved.add(name, &speaker)?;
    saved.save()?;
    println!("{speakers}: {name} saved");
    Ok(())
}
