//! A verdict from few tokens: the reference's own draws are followed to the last one, an engine in low
//! precision is explained by its own error, and small mistakes are told by few tokens and by name.

use std::path::{Path, PathBuf};

use native::engine::Engine;
use native::precision::{Precision, Precisions};
use parity::case::CaseFile;
use parity::record::NativeRecorder;
use parity::samples::{Drawing, Planted, Samples, draw};
use parity::trace::{
    Engines, Followed, LogitErrors, Text, Trace, Verdict, follow, follow_samples, power, trace,
};

use crate::model;

/// A model, and texts that it says.
struct Said {
    model: PathBuf,
    cases: CaseFile,
}

impl Said {
    fn new(model: &Path, file: &str, names: &[&str]) -> Self {
        let file = CaseFile::load(model::workspace().join(file)).unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut cases = file.select(&names).unwrap();
        cases
            .cases
            .sort_by_key(|case| names.iter().position(|name| *name == case.name));
        Self {
            model: model.to_owned(),
            cases,
        }
    }

    /// The random model: where it nearly draws other tokens is not rare.
    fn tiny() -> Self {
        let names = [
            "english-short",
            "chinese-short",
            "tokens-instruct-fast",
            "tokens-speaker-instruct",
        ];
        Self::new(model::tiny(), "golden/cases.toml", &names)
    }

    fn recorder(&self, precision: Precision) -> NativeRecorder {
        let precisions = Precisions::from(precision);
        let builder = Engine::builder(&self.model).precision(precisions);
        NativeRecorder::load(builder, "cpu", &precisions.to_string()).unwrap()
    }

    fn draw(&self, precision: Precision, planted: Option<Planted>, seeds: u64) -> Samples {
        let seeds: Vec<u64> = (0..seeds).collect();
        let drawing = Drawing {
            cases: &self.cases,
            seeds: &seeds,
            planted,
        };
        draw(&mut self.recorder(precision), &drawing, |_| ()).unwrap()
    }

    /// Follows draws of these texts, explained by the error of a precision.
    fn follow(&self, samples: &Samples, explain: Precision, seeds: usize) -> Vec<Followed> {
        let builder = || Engine::builder(&self.model);
        let mut engines = Engines::load(builder, Precisions::from(explain)).unwrap();
        let found = follow_samples(&mut engines, &self.cases, samples, seeds, |_| ()).unwrap();
        found.into_iter().map(|(.., followed)| followed).collect()
    }
}

fn verdict(found: &[Followed]) -> Trace {
    trace(found.iter().map(|f| ("a text", 0, f)))
}

#[test]
fn the_references_draws_are_followed_to_the_last() {
    let golden = Samples::read(&model::workspace().join("golden/samples-voice-7")).unwrap();
    let cases = golden.manifest.cases.iter().take(4);
    let names: Vec<_> = cases.map(|c| c.case.name.as_str()).collect();
    let said = Said::new(model::voice(), "golden/voice.toml", &names);
    let found = verdict(&said.follow(&golden, Precision::F32, 2));
    assert_eq!(found.verdict, Verdict::Explained);
    assert!(found.tokens > 300, "{}", found.tokens);
    assert_eq!(
        (found.parted, found.unexplained),
        (0, 0),
        "{:?}",
        found.first
    );
}

#[test]
fn low_precision_is_explained_by_its_own_error_and_lower_precision_is_not() {
    let said = Said::tiny();
    let bf16 = verdict(&said.follow(&said.draw(Precision::Bf16, None, 3), Precision::Bf16, 3));
    assert_eq!(bf16.verdict, Verdict::Explained, "{bf16:?}");
    assert!(bf16.evidence < 1.0, "{}", bf16.evidence);
    let q4 = verdict(&said.follow(&said.draw(Precision::Q4, None, 1), Precision::Bf16, 1));
    assert_eq!(q4.verdict, Verdict::Different, "{q4:?}");
}

#[test]
fn small_mistakes_of_a_sampler_are_told_by_name_also_in_low_precision() {
    let said = Said::tiny();
    for (planted, precision) in [
        (Planted::Window(9), Precision::F32),
        (Planted::Temperature(1.02), Precision::Bf16),
    ] {
        let found = said.follow(&said.draw(precision, Some(planted), 4), Precision::Bf16, 4);
        let told = verdict(&found);
        assert_eq!(told.verdict, Verdict::Different, "{planted}: {told:?}");
        assert_eq!(told.suspects[0].0, planted.name(), "{:?}", told.suspects);
        assert!(power(&found, 200).different > 0, "{planted}");
    }
}

#[test]
fn an_engine_with_other_random_numbers_is_told_at_once() {
    let said = Said::tiny();
    let mut samples = said.draw(Precision::F32, None, 1);
    samples.manifest.seeds = vec![1];
    let found = verdict(&said.follow(&samples, Precision::Bf16, 1));
    assert_eq!(found.verdict, Verdict::Different);
    assert!(found.told_after.unwrap() < 10, "{:?}", found.told_after);
    assert_eq!(found.suspects[0].0, "other random numbers");
}

#[test]
fn a_token_that_the_model_does_not_have_is_refused() {
    let said = Said::tiny();
    let mut samples = said.draw(Precision::F32, None, 1);
    samples.texts[0].draws[0].tokens[3] = 60_000;
    let mut exact = said.recorder(Precision::F32);
    let multinomial = exact.multinomial();
    let (engine, _, prompt) = exact.lm_prompt(&said.cases.cases[0], &said.cases).unwrap();
    let text = Text {
        lm: engine.llm(),
        prompt: &prompt,
        draw: &samples.texts[0].draws[0],
        seed: 0,
        multinomial,
    };
    let error = follow(&text, &LogitErrors::default()).unwrap_err();
    assert!(error.to_string().contains("60000"), "{error}");
}
