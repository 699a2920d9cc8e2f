//! The engine's stages on the tiny model, each timed alone: `make bench`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use native::Portion;
use native::audio::{Waveform, kaldi_fbank, mel_spectrogram, whisper_log_mel};
use native::engine::{Engine, Request};
use native::flow::FlowInput;
use native::tap::NoTap;

const TEXT: &str = "On March 3rd, 2024, the team shipped 1,250 boxes for $45.60 each.";
const PROMPT: &str = "You are a helpful assistant.<|endofprompt|>The quick brown fox.";

fn stages(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = root.join("out/tiny-7");
    if !model.join("cosyvoice3.yaml").exists() {
        eprintln!(
            "SKIPPED: no model at {}: run `make fixture`",
            model.display()
        );
        return;
    }
    let engine = Engine::builder(&model).build().expect("the model loads");
    let wave = Waveform::read(&root.join("golden/prompts/fox_22k.wav")).expect("the prompt");
    let wav_16k = wave.resampled(16_000).expect("a rate above 16 kHz");
    let wav_24k = wave.resampled(24_000).expect("a rate above 16 kHz");

    c.bench_function("text/normalize", |b| {
        b.iter(|| {
            engine
                .frontend()
                .normalize(black_box(TEXT), true)
                .expect("normalises")
        })
    });
    c.bench_function("audio/resample", |b| b.iter(|| wave.resampled(24_000)));
    c.bench_function("audio/mel", |b| {
        b.iter(|| mel_spectrogram(black_box(&wav_24k)))
    });
    c.bench_function("audio/whisper_mel", |b| {
        b.iter(|| whisper_log_mel(black_box(&wav_16k)))
    });
    c.bench_function("audio/fbank", |b| {
        b.iter(|| kaldi_fbank(black_box(&wav_16k)))
    });

    let mut slow = c.benchmark_group("model");
    slow.sample_size(10);
    slow.bench_function("voice", |b| b.iter(|| engine.voice(&wave)));

    let voice = engine
        .voice(&wave)
        .and_then(|v| v.aligned())
        .expect("a voice");
    let request = Request::zero_shot(TEXT, PROMPT, voice.clone()).seed(1);
    let script = engine.script(&request).expect("a script");
    let prompt = engine.lm_prompt(&request.mode, &script, &script.segments[0], &voice);
    let sample = || {
        let mut sampler = engine.sampler(request.sampling);
        engine
            .llm()
            .generate(&prompt, &mut sampler, &mut NoTap)
            .expect("tokens")
    };
    slow.bench_function("llm", |b| b.iter(sample));

    let tokens = sample().tokens;
    let input = FlowInput {
        tokens: &tokens,
        prompt_tokens: &voice.speech_tokens,
        prompt_mel: &voice.mel,
        embedding: &voice.speaker_embedding,
        portion: Portion::Final,
    };
    slow.bench_function("flow", |b| {
        b.iter(|| engine.flow().inference(&input, &mut NoTap))
    });
    let mel = engine.flow().inference(&input, &mut NoTap).expect("a mel");
    slow.bench_function("vocoder", |b| {
        b.iter(|| engine.vocoder().inference(&mel, Portion::Final, &mut NoTap))
    });
    slow.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(500));
    targets = stages
}
criterion_main!(benches);
