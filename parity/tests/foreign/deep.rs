//! A port that writes the outputs of its layers is bisected from recordings alone.

use std::path::Path;

use parity::array::Array;
use parity::recording::Recording;

use super::port::{hand_in, parity};
use crate::model::workspace;

const GOLDEN: &str = "golden/tiny-7-layers";

/// A port that computed what the golden has, but for one layer and all after it.
fn port(wrong_from: Option<&str>) -> tempfile::TempDir {
    let mut recording = Recording::read(workspace().join(GOLDEN)).unwrap();
    for case in recording.cases.values_mut() {
        case.noise.clear();
        let mut wrong = false;
        for (key, array) in &mut case.tensors {
            let name = key.to_string();
            wrong |= wrong_from == Some(&*name);
            if let (true, Some(tap), Some(values)) = (wrong, &key.tap, array.as_f32())
                && tap.starts_with("layer")
            {
                let louder = values.iter().map(|x| x * 1.01).collect();
                *array = Array::f32(array.shape().to_vec(), louder).unwrap();
            }
        }
        assert_eq!(
            wrong,
            wrong_from.is_some(),
            "{:?}",
            case.tensors.keys().take(40).collect::<Vec<_>>()
        );
    }
    hand_in(&recording, "port")
}

fn deep(arguments: &[&str]) -> (Option<i32>, String) {
    let output = parity(arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said + &errors)
}

fn folder(parent: &Path) -> String {
    parent.join("port").display().to_string()
}

#[test]
fn the_first_layer_that_departs_is_named_by_diff_and_by_judge() {
    let layer = "llm.logits/layer.01.attention.v[0]";
    let parent = port(Some(layer));
    let dir = folder(parent.path());
    let (code, said) = deep(&["diff", GOLDEN, &dir, "--deep=llm"]);
    assert_eq!(code, Some(2), "{said}");
    let conclusion = said.lines().rev().find(|l| l.contains(layer));
    assert!(conclusion.is_some_and(|l| l.contains("first")), "{said}");

    let out = parent.path().join("report");
    let out = out.to_str().unwrap();
    let limits = "golden/tolerances.toml";
    let (code, said) = deep(&[
        "judge",
        "--golden",
        GOLDEN,
        "--cascaded",
        &dir,
        "--deep",
        "--out",
        out,
        "--tolerances",
        limits,
    ]);
    assert_eq!(code, Some(2), "{said}");
    let page = std::fs::read_to_string(parent.path().join("report/index.html")).unwrap();
    assert!(page.contains(&layer.replace('/', "&#x2f;")));
}

#[test]
fn equal_layers_pass_and_layers_that_were_not_written_are_never_in_parity() {
    let parent = port(None);
    let dir = folder(parent.path());
    let (code, said) = deep(&["diff", GOLDEN, &dir, "--deep"]);
    assert_eq!(code, Some(0), "{said}");

    let mut recording = Recording::read(workspace().join(GOLDEN)).unwrap();
    for case in recording.cases.values_mut() {
        case.tensors.retain(|key, _| key.tap.is_none());
    }
    let parent = hand_in(&recording, "port");
    let (code, said) = deep(&["diff", GOLDEN, &folder(parent.path()), "--deep=flow"]);
    assert_ne!(code, Some(0), "{said}");
    assert!(
        said.contains("the candidate has no layers of the flow"),
        "{said}"
    );
}
