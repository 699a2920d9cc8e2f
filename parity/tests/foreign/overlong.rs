//! The user's own question: "my speech is too long, where does it go wrong?"

use parity::array::Array;
use parity::recording::Recording;
use parity::stage::{Key, Stage};

use super::super::model;
use super::port::{CASES, Rules, diff, engine, golden_dir, hand_in, parity, sample, sound};

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A port that does not know what ends speech, and recorded nothing but its tokens and sound.
fn overlong() -> Recording {
    let mut port = sound();
    let rules = Rules {
        ends: |id| id == 6562,
        ..Rules::default()
    };
    for case in port.cases.values_mut() {
        sample(engine(), case, &rules);
        let sampled = [Stage::LlmTokens, Stage::LlmStop];
        case.tensors.retain(|key, _| sampled.contains(&key.stage));
    }
    port
}

#[test]
fn the_first_lines_say_by_how_much_where_and_why() {
    let parent = hand_in(&overlong(), "port");
    let (code, said, page) = diff(parent.path());
    assert_eq!(code, Some(2), "{said}");
    let said = words(&said);
    let top: String = said.chars().take(900).collect();
    println!("{top}");
    for piece in [
        "PARITY FAILED begins at llm.tokens in 5 of 5 cases",
        "likely: an id that ends speech does not end it",
        " tokens for ",
        "; first differs at token ",
        "where the reference ends",
        "times the reference's length over 5 token lists: longer",
    ] {
        assert!(top.contains(piece), "{piece:?} is not in: {said}");
    }
    // What is missing is said once, and hides nothing.
    let missing = said.split("not recorded in any case: ").nth(1).unwrap();
    for stage in ["prompt.mel", "flow.step.01 to flow.step.10"] {
        assert!(missing.contains(stage), "{stage} is not in: {missing}");
    }
    let failures = said.split("not in parity").nth(1).unwrap();
    assert!(
        failures.find("llm.tokens introduced").unwrap() < failures.find("not recorded").unwrap()
    );
    assert!(!said.contains("see index.html"), "none was written");
    assert!(page.contains("data-group") && !page.contains("closest to its limit"));
}

#[test]
fn a_token_outside_the_nucleus_is_told_with_its_rank() {
    let mut port = sound();
    let case = port.cases.get_mut("english-short").unwrap();
    let key = Key::segment(Stage::LlmTokens, 0);
    let mut tokens = case.tensors[&key].as_i64().unwrap().to_vec();
    // The least likely token of the third position, and fifteen more.
    tokens[2] = 17;
    tokens.extend([40; 15]);
    case.tensors.insert(key, Array::ids(tokens));
    let parent = hand_in(&port, "port");
    let (_, said, _) = diff(parent.path());
    let said = words(&said);
    assert!(said.contains("english-short: 36 tokens for 21"), "{said}");
    assert!(
        said.contains("first differs at token 2 (counted from 0), where the reference drew "),
        "{said}"
    );
    assert!(
        said.contains(" and the candidate drew token 17 (rank "),
        "{said}"
    );
    assert!(
        said.contains("outside the reference's nucleus of"),
        "{said}"
    );
}

#[test]
fn appended_sound_is_an_error_in_every_ratio_and_the_mels_are_on_one_time_axis() {
    let mut port = sound();
    let case = port.cases.get_mut("english-short").unwrap();
    case.audio.extend([0.0; 4800]);
    let key = Key::segment(Stage::FlowMel, 0);
    let mel = &case.tensors[&key];
    let frames = mel.shape()[1];
    let rows = mel.as_f32().unwrap().chunks(frames);
    let longer: Vec<f32> = rows.flat_map(|r| [r, &r[frames - 10..]].concat()).collect();
    case.tensors
        .insert(key, Array::f32([80, frames + 10], longer).unwrap());
    let parent = hand_in(&port, "port");
    let (code, said, page) = diff(parent.path());
    assert_eq!(code, Some(2), "{said}");
    let section = page.split("id=\"case/english-short\"").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    assert!(
        section.contains("port has 10 frames more, 0.20 s"),
        "{section}"
    );
    assert!(section.contains("Mel of the reference, aligned"));
    assert!(section.contains("Sound, aligned"));
    let width = format!("width:{:.2}%", 100.0 * frames as f64 / (frames + 10) as f64);
    assert!(section.contains(&width), "{width}");
    // Nothing about this sound is infinitely good.
    let speech = section.split("english-short/speech\"").nth(1).unwrap();
    assert!(!speech.contains('∞'), "{speech}");
}

#[test]
fn a_case_that_does_not_exist_is_answered_with_one_that_does() {
    let parent = hand_in(&sound(), "port");
    let dir = parent.path().join("port");
    let golden = golden_dir();
    let (golden, dir) = (golden.to_str().unwrap(), dir.to_str().unwrap());
    let output = parity(&["diff", golden, dir, "--case", "english-shrt"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("did you mean `english-short`?"), "{said}");
    let output = parity(&["diff", golden, dir, "--case", CASES[0]]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("PARITY  1 case;"), "{said}");
}

#[test]
fn ranks_are_told_where_the_golden_keeps_no_logits_if_its_model_is_at_hand() {
    let mut port = sound();
    let case = port.cases.get_mut("english-short").unwrap();
    let key = Key::segment(Stage::LlmTokens, 0);
    let mut tokens = case.tensors[&key].as_i64().unwrap().to_vec();
    // The golden keeps the first and the last few rows.
    let at = tokens.len() / 2;
    tokens[at] = 17;
    case.tensors.insert(key, Array::ids(tokens));
    let parent = hand_in(&port, "port");
    let recording = parent.path().join("port");
    let told = |model: &str| {
        let golden = golden_dir();
        let arguments = [
            "diff",
            golden.to_str().unwrap(),
            recording.to_str().unwrap(),
        ];
        let output = parity(&[&arguments[..], &["--model-dir", model]].concat());
        words(&String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let said = told(model::tiny().to_str().unwrap());
    let here = format!("token {at} (counted from 0)");
    assert!(said.contains(&here), "{said}");
    assert!(said.contains("drew token 17 (rank "), "{said}");
    let said = told(model::voice().to_str().unwrap());
    assert!(
        said.contains("is not the model that the reference was recorded with"),
        "{said}"
    );
}
