//! What the mistakes of samplers do, on the model that speaks.

use crate::model;
use native::engine::Engine;
use parity::case::CaseFile;
use parity::report::{wrong_sampler_html, wrong_sampler_table};
use parity::wrong_sampler::{Mistake, Runs, run};

#[test]
fn every_mistake_is_said_and_the_right_sampler_says_what_the_reference_says() {
    let engine = Engine::builder(model::voice()).build().unwrap();
    let cases = CaseFile::load(model::workspace().join("golden/voice.toml")).unwrap();
    let names = ["good-morning", "tokens-zero-shot-01", "stream-one-chunk"];
    let cases = cases.select(&names.map(str::to_owned)).unwrap();
    let runs = Runs { seeds: 2, heard: 1 };
    let found = run(&engine, &cases, runs, |_, _| {}).unwrap();

    // A streamed case says the same as one that is not.
    assert_eq!(found.texts, 2);
    let mistakes: Vec<_> = found.rows.iter().map(|row| row.mistake).collect();
    let all = [None].into_iter().chain(Mistake::ALL.map(Some));
    assert_eq!(mistakes, all.collect::<Vec<_>>());
    let right = &found.rows[0];
    assert_eq!((right.runs, right.same, right.overlong), (4, 4, 0));
    // Without its end no speech ends.
    let row = |mistake| found.rows.iter().find(|r| r.mistake == Some(mistake));
    let endless = row(Mistake::StopIds).unwrap();
    assert_eq!((endless.endless, endless.overlong), (4, 4));
    // A draw from all tokens is soon another one.
    assert_eq!(row(Mistake::Nucleus).unwrap().same, 0);

    let [heard] = found.heard.as_slice() else {
        panic!("{} texts to hear", found.heard.len());
    };
    assert_eq!(heard.sounds.len(), 1 + Mistake::ALL.len());
    let loud = |sound: &[f32]| sound.iter().any(|x| x.abs() > 0.05);
    assert!(heard.sounds.iter().all(|(_, sound)| loud(sound)));
    // As the reference, with nothing but the sampler written again.
    let golden = model::workspace().join("golden/voice-7/good-morning/audio.wav");
    let golden = hound::WavReader::open(golden)
        .unwrap()
        .into_samples::<f32>();
    let golden: Vec<f32> = golden.map(Result::unwrap).collect();
    let (none, right_sound) = &heard.sounds[0];
    assert_eq!((*none, right_sound.len()), (None, golden.len()));
    let furthest = right_sound.iter().zip(&golden).map(|(a, b)| (a - b).abs());
    let furthest = furthest.fold(0.0, f32::max);
    assert!(furthest < 0.05, "{furthest}");

    let page = wrong_sampler_html(&found).unwrap();
    for mistake in Mistake::ALL {
        assert!(page.contains(mistake.name()), "{}", mistake.name());
        assert!(wrong_sampler_table(&found).contains(mistake.name()));
    }
    assert!(page.contains("Good morning, my name is Alice."), "{page}");
}
