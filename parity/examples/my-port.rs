//! The port of the guide `parity/docs/guides/own-port.md`: an engine that makes one mistake, for
//! trying how the harness finds it.
//!
//!     cargo run --release --package parity --example my-port -- --help

use std::path::PathBuf;

use clap::Parser;
use native::audio::Waveform;
use native::engine::Engine;
use parity::wrong_sampler::{Mistake, Utterance};

/// Says a text in the voice of a prompt, with a mistake in its sampler if one is asked for.
///
/// Prints the sampled tokens as one line of JSON.
#[derive(Parser)]
#[command(name = "my-port")]
struct Arguments {
    /// The model directory
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What to say; of a long text only the first segment
    #[arg(long)]
    text: String,
    /// The voice, a sound file
    #[arg(long, value_name = "FILE")]
    prompt: PathBuf,
    /// What is heard in it
    #[arg(long)]
    transcript: String,
    /// The sampler's seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The mistake to make
    #[arg(long, value_enum)]
    mistake: Option<Mistake>,
    /// The wav to write
    #[arg(short, value_name = "FILE")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let said = Arguments::parse();
    let engine = Engine::builder(&said.model).build()?;
    let prompt = Waveform::read(&said.prompt)?;
    let utterance = Utterance::new(&engine, said.text, said.transcript, &prompt)?;
    if utterance.segments() > 1 {
        eprintln!(
            "only the first of {} segments is said",
            utterance.segments()
        );
    }
    let sampled = utterance.sample(said.mistake, said.seed)?;
    println!("{}", serde_json::json!({ "tokens": sampled.tokens }));
    let sound = Waveform {
        samples: utterance.sound(&sampled.tokens)?,
        sample_rate: Engine::SAMPLE_RATE,
    };
    Ok(sound.write_f32(&said.out)?)
}
