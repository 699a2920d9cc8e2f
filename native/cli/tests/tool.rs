//! Running the command on the tiny model, and on copies of it that are spoiled.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candle_core::Tensor;
use parity_fixture::testing::{tiny_model, workspace};
use tempfile::TempDir;

pub const PROMPT_TEXT: &str = "You are a helpful assistant.<|endofprompt|>The quick brown fox.";

pub fn prompt_wav() -> PathBuf {
    workspace().join("golden/prompts/fox_22k.wav")
}

/// The command with a model directory.
pub fn native(subcommand: &str, model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native"));
    command.args([subcommand, "--model-dir"]).arg(model);
    command
}

/// Saying something in the voice of the usual prompt, zero-shot.
pub fn synth(model: &Path, output: &Path) -> Command {
    let mut command = native("synth", model);
    command.arg("--prompt-wav").arg(prompt_wav());
    command
        .args(["--prompt-text", PROMPT_TEXT, "-o"])
        .arg(output);
    command
}

/// What a command said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The tiny model with other weights in one of its networks; the rest is linked.
pub fn spoiled(network: &str, spoil: impl FnOnce(&mut HashMap<String, Tensor>)) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let weights = tiny_model().join(format!("{network}.pt"));
    for entry in std::fs::read_dir(tiny_model()).unwrap() {
        let path = entry.unwrap().path().canonicalize().unwrap();
        if path != weights.canonicalize().unwrap() {
            let to = copy.path().join(path.file_name().unwrap());
            std::os::unix::fs::symlink(&path, to).unwrap();
        }
    }
    let mut tensors: HashMap<_, _> = candle_core::pickle::read_all(&weights)
        .unwrap()
        .into_iter()
        .collect();
    spoil(&mut tensors);
    let file = copy.path().join(format!("{network}.safetensors"));
    candle_core::safetensors::save(&tensors, file).unwrap();
    copy
}

/// Gives every element of a tensor one value.
pub fn fill(tensors: &mut HashMap<String, Tensor>, name: &str, value: f32) {
    let tensor = tensors.get_mut(name).unwrap_or_else(|| panic!("no {name}"));
    *tensor = Tensor::full(value, tensor.shape(), tensor.device()).unwrap();
}
