use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use native::model_dir::ModelDir;
use serde::Deserialize;

use super::Samples;
use super::file::decode;
use super::manifest::{DRAWS, SamplesManifest};
use crate::case::CaseFile;
use crate::python_module::{Failure, PythonModule};
use crate::record::describe_model;
use crate::recording::{EngineInfo, Error, RecordedCase};

/// What the Python reference draws.
#[derive(Clone, Debug)]
pub struct PythonDrawing<'a> {
    /// The environment's folder, or an interpreter.
    pub env: PathBuf,
    /// The CosyVoice checkout.
    pub root: PathBuf,
    /// The folder of `cosyvoice_reference`.
    pub package: PathBuf,
    /// The file of the cases.
    pub file: PathBuf,
    /// Those of it that are drawn.
    pub cases: &'a CaseFile,
    /// The first seed of each.
    pub first_seed: u64,
    /// How many seeds each has.
    pub seeds: usize,
}

/// What the Python side says of itself.
#[derive(Deserialize)]
struct Provenance {
    libraries: std::collections::BTreeMap<String, String>,
    commit: Option<String>,
    sources: std::collections::BTreeMap<String, String>,
}

/// Lets the unmodified Python reference's language model say every text with every seed.
///
/// `progress` is told of each case before it is drawn.
///
/// # Errors
/// If Python fails, or what it wrote cannot be read.
pub fn python(
    drawing: &PythonDrawing<'_>,
    model: &ModelDir,
    progress: impl FnMut(&str),
) -> Result<Samples, Error> {
    let began = Instant::now();
    let folder = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
    let module = "cosyvoice_reference.samples";
    let mut python = PythonModule::new(&drawing.env, &drawing.package, module);
    let command = &mut python.command;
    command.arg("--root").arg(&drawing.root);
    command.arg("--model").arg(model.path());
    command.arg("--cases").arg(&drawing.file);
    command.arg("--out").arg(folder.path());
    command.args(["--first-seed", &drawing.first_seed.to_string()]);
    command.args(["--seeds", &drawing.seeds.to_string()]);
    for case in &drawing.cases.cases {
        command.args(["--case", &case.name]);
    }
    // Sums over several threads are not the same numbers as over one.
    command.env("OMP_NUM_THREADS", "1");
    let ran = python.run(progress);
    let failed = Error::io(&python.interpreter);
    match ran {
        Ok(Ok(())) => {}
        Ok(Err(Failure::NotStarted(error))) | Err(error) => return Err(failed(error)),
        Ok(Err(Failure::Failed(how))) => return Err(failed(std::io::Error::other(how))),
    }
    let mut samples = collect(drawing, model, folder.path())?;
    samples.manifest.seconds = Some(began.elapsed().as_secs_f64());
    Ok(samples)
}

/// What Python wrote into a folder, with what it does not know of itself.
fn collect(
    drawing: &PythonDrawing<'_>,
    model: &ModelDir,
    folder: &std::path::Path,
) -> Result<Samples, Error> {
    let path = folder.join("provenance.json");
    let text = fs::read(&path).map_err(Error::io(&path))?;
    let provenance: Provenance =
        serde_json::from_slice(&text).map_err(|e| Error::malformed(&path, e))?;
    let engine = EngineInfo {
        name: "python".into(),
        version: provenance
            .libraries
            .get("python")
            .cloned()
            .unwrap_or_default(),
        commit: provenance.commit,
        command: None,
    };
    let mut manifest = SamplesManifest::new(engine, describe_model(model)?);
    manifest.libraries = provenance.libraries;
    manifest.sources = provenance.sources;
    // The reference knows no other file.
    manifest.lm_weights = Some("llm.pt".into());
    manifest.seeds = (drawing.first_seed..).take(drawing.seeds).collect();
    for case in &drawing.cases.cases {
        manifest.cases.push(RecordedCase::of(case, drawing.cases)?);
    }
    let path = folder.join(DRAWS);
    let bytes = fs::read(&path).map_err(Error::io(&path))?;
    let counts = (manifest.cases.len(), manifest.seeds.len());
    let texts = decode(&bytes, counts).map_err(|e| Error::malformed(&path, e))?;
    Ok(Samples { manifest, texts })
}
