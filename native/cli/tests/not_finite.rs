//! Weights with which the networks overflow: no speech is made of it, and the place is named.

use std::process::Output;

use crate::tool::{fill, names, said, spoiled, synth};

/// Says something with a spoiled model and expects an error, and no file.
fn error_of(model: &tempfile::TempDir, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output: Output = synth(model.path(), &folder.path().join("a.wav"))
        .args(["--text", "Hello there."])
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(names(folder.path()), [] as [&str; 0]);
    said(&output)
}

#[test]
fn an_overflow_of_half_precision_in_the_flow_is_an_error_streamed_or_not() {
    // Each weight is a number in float16, but not what they add up to.
    let model = spoiled("flow", |tensors| {
        fill(tensors, "pre_lookahead_layer.conv2.weight", 6e4);
    });
    for stream in [&[][..], &["--stream"]] {
        let message = error_of(&model, &[&["--precision", "f16"][..], stream].concat());
        assert!(message.contains("flow.mel is not finite"), "{message}");
        assert!(message.contains("the first at flow.mu itself"), "{message}");
    }
}

#[test]
fn the_layer_of_the_flow_that_overflows_is_named() {
    let model = spoiled("flow", |tensors| {
        let name = "decoder.estimator.transformer_blocks.1.ff.ff.2.weight";
        fill(tensors, name, 3e38);
    });
    let message = error_of(&model, &[]);
    assert!(
        message.contains("flow.mel is not finite")
            && message.contains("the first at flow.step.01, layer `block.01`"),
        "{message}"
    );
}

#[test]
fn an_overflow_in_the_pitch_is_not_taken_for_silence() {
    let model = spoiled("hift", |tensors| {
        let name = ["generator.", ""]
            .map(|prefix| format!("{prefix}f0_predictor.classifier.weight"))
            .into_iter()
            .find(|name| tensors.contains_key(name))
            .expect("the classifier");
        fill(tensors, &name, 3e38);
    });
    let message = error_of(&model, &[]);
    assert!(message.contains("vocoder.f0 is not finite"), "{message}");
}

#[test]
fn an_overflow_in_the_language_model_names_its_layer() {
    let model = spoiled("llm", |tensors| {
        fill(
            tensors,
            "llm.model.model.layers.1.mlp.down_proj.weight",
            3e38,
        );
    });
    let message = error_of(&model, &["--stream"]);
    assert!(
        message.contains("llm.logits is not finite") && message.contains("layer `layer.01.mlp`"),
        "{message}"
    );
}
