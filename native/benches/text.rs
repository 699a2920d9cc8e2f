//! The text frontend, on a line in English and in Chinese and on a long Chinese text: `make bench`.
//!
//! `parity text bench` compares it with the Python reference.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use native::text::{FrontendOptions, TextFrontend};

const ENGLISH: &str = "On March 3rd, 2024, the team shipped 1,250 boxes for $45.60 each.";
const CHINESE: &str = "今天是2024年3月5日，我们花了12.5元，买了3本书。";

fn text(c: &mut Criterion) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../out/tiny-7");
    let (vocabulary, rules) = (model.join("CosyVoice-BlankEN"), model.join("text_rules"));
    if !vocabulary.join("vocab.json").exists() {
        let model = model.display();
        eprintln!("SKIPPED: no model at {model}: run `make fixture`");
        return;
    }
    let frontend = TextFrontend::load(&vocabulary, Some(&rules), FrontendOptions::default())
        .expect("the frontend loads");
    let whole = |text: &str| {
        let found = frontend.normalize(text, true).expect("normalises");
        let ids = |segment: &String| frontend.ids(segment).expect("tokenises").len();
        found.segments.iter().map(ids).sum::<usize>()
    };
    let long: String = CHINESE.chars().cycle().take(10_000).collect();
    c.bench_function("text/english line", |b| {
        b.iter(|| whole(black_box(ENGLISH)))
    });
    c.bench_function("text/chinese line", |b| {
        b.iter(|| whole(black_box(CHINESE)))
    });
    c.bench_function("text/10000 chinese characters", |b| {
        b.iter(|| whole(black_box(&long)))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = text
}
criterion_main!(benches);
