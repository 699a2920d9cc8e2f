//! Draws of many seeds: the committed ones are the native engine's too, small mistakes of a sampler are
//! caught, and right engines are not called different.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use native::engine::Engine;
use parity::case::CaseFile;
use parity::record::NativeRecorder;
use parity::report::samples_table;
use parity::samples::{
    Comparison, Draw, Drawing, Planted, Samples, Settings, Statistic, TextDraws, Verdict, choose,
    compare, compare_draws, draw, trials,
};

use crate::model;

fn golden_dir() -> PathBuf {
    model::workspace().join("golden/samples-voice-7")
}

static GOLDEN: LazyLock<Samples> = LazyLock::new(|| Samples::read(&golden_dir()).unwrap());

fn cases(names: &[&str]) -> CaseFile {
    let file = CaseFile::load(model::workspace().join("golden/voice.toml")).unwrap();
    let names: Vec<_> = names.iter().map(|&n| n.to_owned()).collect();
    file.select(&names).unwrap()
}

fn native(cases: &CaseFile, seeds: &[u64], planted: Option<Planted>) -> Samples {
    let builder = Engine::builder(model::voice());
    let mut recorder = NativeRecorder::load(builder, "cpu", "f32").unwrap();
    let drawing = Drawing {
        cases,
        seeds,
        planted,
    };
    draw(&mut recorder, &drawing, |_| ()).unwrap()
}

/// Fewer permutations than a user's, for a machine that does not optimise.
fn settings() -> Settings {
    Settings {
        permutations: 1999,
        bootstraps: 100,
        ..Settings::default()
    }
}

fn rejected(comparison: &Comparison) -> Vec<Statistic> {
    let found = comparison.differences.iter().filter(|d| d.differs);
    found.map(|d| d.statistic).collect()
}

#[test]
fn the_references_draws_are_the_native_engines_token_by_token() {
    let golden = &*GOLDEN;
    assert!(golden.manifest.engine.is_reference() && golden.has_ranks());
    let names: Vec<_> = golden
        .manifest
        .cases
        .iter()
        .map(|c| &*c.case.name)
        .collect();
    assert_eq!(names.len(), 12);
    let seeds = [golden.manifest.seeds[0], golden.manifest.seeds[7]];
    let candidate = native(&cases(&names), &seeds, None);
    let comparison = compare(golden, &candidate, &settings()).unwrap();
    assert!(comparison.exact.holds(), "{:?}", comparison.exact);
    assert_eq!(comparison.exact.shared, 24);
    assert!(comparison.same_seeds);
    assert_ne!(comparison.verdict, Verdict::Different);
    // The tokens are as likely on both sides.
    for (case, theirs) in candidate.manifest.cases.iter().zip(&candidate.texts) {
        let at = names
            .iter()
            .position(|name| *name == case.case.name)
            .unwrap();
        let own = &golden.texts[at];
        assert_eq!(theirs.bounds, own.bounds);
        assert_eq!(
            theirs.draws[0].ranks, own.draws[0].ranks,
            "{}",
            case.case.name
        );
    }
}

#[test]
fn small_mistakes_of_a_sampler_are_caught_and_the_right_one_is_not() {
    let few = cases(&[
        "good-morning",
        "cross-lingual",
        "instruct-fast",
        "saved-speaker",
    ]);
    let seeds: Vec<u64> = (2_000_000..2_000_020).collect();
    let expected = [
        (None, None),
        (Some(Planted::TopK(20)), Some(Statistic::Ranks)),
        (Some(Planted::Tau(0.2)), Some(Statistic::Repeats)),
    ];
    for (planted, by) in expected {
        let candidate = native(&few, &seeds, planted);
        let comparison = compare(&GOLDEN, &candidate, &settings()).unwrap();
        let found = rejected(&comparison);
        let table = samples_table(&comparison);
        match by {
            Some(by) => assert!(found.contains(&by), "{planted:?}: {found:?}\n{table}"),
            None => assert!(found.is_empty(), "{found:?}\n{table}"),
        }
        assert_eq!(comparison.missing.len(), 8, "{:?}", comparison.missing);
    }
}

#[test]
fn halves_of_the_references_draws_are_not_called_different() {
    let found = trials(&GOLDEN.texts, None, 25, 30, &settings());
    assert_eq!((found.comparisons, found.draws), (30, 25));
    // At a rate of 0.01, more than 3 of 30 happen once in 3,000 times.
    assert!(found.different <= 3, "{found:?}");
}

/// Draws of two texts by a formula: lengths around 40, one of five tokens first, then any.
fn made_up(seed: u32, count: usize, longer: usize) -> Vec<TextDraws> {
    let mut state = seed;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut one = || {
        let length = 38 + longer + next(5) as usize;
        let choices = |at| if at == 0 { 5 } else { 30_000 };
        let tokens: Vec<u16> = (0..length)
            .map(|at| 100 + next(choices(at)) as u16)
            .collect();
        Draw {
            ranks: vec![0; tokens.len()],
            tokens,
            stop: Some(6562),
        }
    };
    let text = |draws| TextDraws {
        bounds: [10, 100],
        draws,
    };
    (0..2)
        .map(|_| text((0..count).map(|_| one()).collect()))
        .collect()
}

#[test]
fn the_verdict_is_undecided_until_there_are_enough_draws_and_then_equivalent() {
    let verdict = |count| {
        let comparison = compare_draws(&made_up(1, count, 0), &made_up(2, count, 0), &settings());
        assert!(
            rejected(&comparison).is_empty(),
            "{}",
            samples_table(&comparison)
        );
        let needed = comparison.equivalences.iter().map(|e| e.draws_needed).max();
        (comparison.verdict, needed.unwrap())
    };
    let (few, needed) = verdict(20);
    assert_eq!(few, Verdict::Undecided);
    assert!((40..3000).contains(&needed), "{needed}");
    let (many, _) = verdict(600);
    assert_eq!(many, Verdict::Equivalent);
}

#[test]
fn a_token_more_is_a_difference_of_length() {
    let comparison = compare_draws(&made_up(1, 100, 0), &made_up(2, 100, 1), &settings());
    assert_eq!(comparison.verdict, Verdict::Different);
    assert!(
        rejected(&comparison).contains(&Statistic::Length),
        "{comparison:?}"
    );
    let length = &comparison.equivalences[0];
    let [low, high] = length.interval;
    // One of forty.
    assert!(
        low < 0.025 && 0.025 < high && !length.equivalent,
        "{length:?}"
    );
    assert!(length.smallest_visible < 0.025, "{length:?}");
}

#[test]
fn an_end_that_is_never_drawn_and_an_empty_draw_are_told() {
    let mut endless = made_up(2, 100, 0);
    for draw in endless.iter_mut().flat_map(|t| &mut t.draws).step_by(5) {
        draw.stop = None;
    }
    let comparison = compare_draws(&made_up(1, 100, 0), &endless, &settings());
    assert_eq!(rejected(&comparison), [Statistic::Stop]);
    let stop = comparison.differences.iter().find(|d| d.differs).unwrap();
    assert_eq!(stop.most.as_ref().unwrap().what, "the longest length");

    let mut empty = made_up(2, 100, 0);
    for draw in empty.iter_mut().flat_map(|t| &mut t.draws).step_by(5) {
        *draw = Draw {
            stop: Some(6563),
            ..Draw::default()
        };
    }
    let comparison = compare_draws(&made_up(1, 100, 0), &empty, &settings());
    let found = rejected(&comparison);
    assert!(
        found.contains(&Statistic::Empty) && found.contains(&Statistic::Stop),
        "{found:?}"
    );
}

#[test]
fn texts_of_every_mode_are_chosen_in_turn() {
    let all = CaseFile::load(model::workspace().join("golden/voice.toml")).unwrap();
    let chosen = choose(all, 5);
    let names: Vec<_> = chosen.cases.iter().map(|c| &*c.name).collect();
    assert_eq!(
        names,
        [
            "good-morning",
            "saved-speaker",
            "cross-lingual",
            "instruct-fast",
            "numbers"
        ]
    );
}

fn parity(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
    command
        .arg("sample")
        .args(arguments)
        .current_dir(model::workspace());
    command.output().unwrap()
}

#[test]
fn the_command_says_the_verdict_first_and_ends_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let golden = folder.path().join("golden");
    let put = |name: &str, texts: Vec<TextDraws>, first_seed: u64| {
        let mut samples = GOLDEN.clone();
        samples.manifest.cases.truncate(texts.len());
        let count = texts[0].draws.len() as u64;
        samples.manifest.seeds = (first_seed..first_seed + count).collect();
        samples.texts = texts;
        let dir = folder.path().join(name);
        samples.write(Samples::reserve(&dir).unwrap()).unwrap();
        assert_eq!(Samples::read(&dir).unwrap().texts, samples.texts);
        dir.to_str().unwrap().to_owned()
    };
    let against = put("golden", made_up(1, 700, 0), 0);
    let page = folder.path().join("page.html");
    let expected = [
        (made_up(2, 700, 0), 0, "equivalent: none of"),
        (made_up(2, 700, 1), 2, "different: "),
        (made_up(2, 20, 0), 4, "undecided: none of"),
    ];
    for (texts, status, words) in expected {
        let candidate = put("candidate", texts, 1_000_000);
        let html = page.to_str().unwrap();
        let output = parity(&[
            "--against",
            &against,
            "--candidate",
            &candidate,
            "--html",
            html,
        ]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with(words), "{said}");
        assert_eq!(output.status.code(), Some(status), "{said}");
        let html = std::fs::read_to_string(&page).unwrap();
        assert!(
            html.contains(words) && html.matches("<svg").count() >= 3,
            "{words}"
        );
    }
    let mut bytes = std::fs::read(golden.join("draws.safetensors")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(golden.join("draws.safetensors"), bytes).unwrap();
    let output = parity(&["--against", &against, "--candidate", &against]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("draws.safetensors: damaged"), "{said}");
}

#[test]
fn samples_of_other_weights_are_not_compared() {
    let mut other = GOLDEN.clone();
    other.manifest.model.files.get_mut("llm.pt").unwrap().sha256 = "0".repeat(64);
    let error = compare(&GOLDEN, &other, &settings())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("llm.pt is not the one"), "{error}");
}
