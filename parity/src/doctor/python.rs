//! Whether somebody's Python still says what the reference says: its cases against a golden.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use native::model_dir::ModelDir;
use serde::de::DeserializeOwned;

use super::{Check, State};
use crate::judge::{CaseOutcome, Evaluation, Tolerances, Verdict, explain};
use crate::python_module::{Failure, PythonModule};
use crate::record::describe_model;
use crate::recording::{
    Error, MANIFEST, Manifest, Reader, RecordedCase, RecordingSource as _, amend_manifest,
    public_version,
};
use crate::stage::Stage;

/// The libraries that a stage's values come from, the likeliest culprit first.
const LIBRARIES: [(&str, &[&str]); 9] = [
    ("text.normalized", &["wetext", "kaldifst", "inflect"]),
    ("text.ids", &["transformers", "tokenizers"]),
    (
        "prompt.mel",
        &["librosa", "torchaudio", "soundfile", "torch", "numpy"],
    ),
    (
        "prompt.speaker_embedding",
        &["onnxruntime", "torchaudio", "soundfile", "numpy"],
    ),
    (
        "prompt.fbank",
        &["torchaudio", "soundfile", "torch", "numpy"],
    ),
    (
        // Whisper's mel and the tokenizer, of the prompt and of a recording to convert.
        "prompt",
        &["onnxruntime", "openai-whisper", "torchaudio", "soundfile"],
    ),
    (
        "source",
        &["onnxruntime", "openai-whisper", "torchaudio", "soundfile"],
    ),
    ("llm", &["transformers", "torch"]),
    ("", &["torch", "x-transformers", "numpy"]),
];

/// A Python, and what it is to run.
#[derive(Clone, Debug)]
pub struct PythonOptions {
    /// The environment's folder, or an interpreter.
    pub env: PathBuf,
    /// The CosyVoice checkout.
    pub root: PathBuf,
    /// The folder of `cosyvoice_reference`.
    pub package: PathBuf,
    /// The file of cases that the golden belongs to.
    pub cases: PathBuf,
    /// The cases to run.
    pub names: Vec<String>,
    /// Where its recording goes.
    pub out: PathBuf,
}

/// Runs the cases in a Python, and holds what it says against the golden.
///
/// `running` is told which case comes next.
///
/// # Errors
/// If the recording cannot be written or read; what is wrong with the Python is among the checks.
pub fn python(
    options: &PythonOptions,
    model: &ModelDir,
    golden: &Reader,
    tolerances: &Tolerances,
    running: impl FnMut(&str),
) -> Result<Vec<Check>, Error> {
    let ran = run(options, model.path(), running).map_err(Error::io(&options.env))?;
    if let Err(said) = ran {
        let remedy =
            "name an environment with the reference's packages: `make reference-env` makes one";
        return Ok(vec![Check::new("python", State::Bad, said, Some(remedy))]);
    }
    let path = options.out.join(MANIFEST);
    let info = serde_json::to_value(describe_model(model)?);
    let info = info.map_err(|e| Error::malformed(&path, e))?;
    let weights = golden.manifest().lm_weights.clone();
    let fields = [
        ("model".to_owned(), info),
        ("lm_weights".to_owned(), weights.into()),
    ];
    amend_manifest(&options.out, fields.into_iter().collect())?;
    let manifest: Manifest = read_json(&path)?;
    let failed: BTreeMap<String, String> = read_json(&options.out.join("failed.json"))?;

    let other = other_libraries(&golden.manifest().libraries, &manifest.libraries);
    let mut checks = vec![libraries(&manifest, &other)];
    if let Some(said) = failed.get("") {
        let remedy = remedy(None, &other);
        checks.push(Check::new("reference", State::Bad, said, Some(&remedy)));
        return Ok(checks);
    }
    let candidate = Reader::open_candidate(&options.out, golden)?;
    let recorded = |name: &String| golden.recorded_case(name);
    let expected: Vec<RecordedCase> = options
        .names
        .iter()
        .map(recorded)
        .collect::<Result<_, _>>()?;
    let evaluation = Evaluation {
        golden,
        isolated: None,
        cascaded: Some(&candidate),
        expected: Some(&expected),
        tolerances,
        anyway: false,
    };
    for name in evaluation.names() {
        checks.push(match failed.get(&name) {
            Some(said) => {
                let remedy = remedy(None, &other);
                Check::new(&name, State::Bad, said, Some(&remedy))
            }
            None => case(&evaluation.judge(&evaluation.load(&name)?), &other),
        });
    }
    Ok(checks)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::malformed(path, e))
}

/// Runs the examination; what the interpreter said if it failed as a whole.
fn run(
    options: &PythonOptions,
    model: &Path,
    running: impl FnMut(&str),
) -> std::io::Result<Result<(), String>> {
    let mut python = PythonModule::new(
        &options.env,
        &options.package,
        "cosyvoice_reference.examine",
    );
    python
        .command
        .arg("--root")
        .arg(&options.root)
        .arg("--model")
        .arg(model)
        .arg("--cases")
        .arg(&options.cases)
        .arg("--out")
        .arg(&options.out);
    for name in &options.names {
        python.command.args(["--case", name]);
    }
    let ran = python.run(running)?;
    let interpreter = python.interpreter.display();
    Ok(ran.map_err(|failure| match failure {
        Failure::NotStarted(error) => format!("{interpreter}: {error}"),
        Failure::Failed(how) => format!("{interpreter} {how}"),
    }))
}

/// Libraries whose versions are not the golden's: name, version there, version here.
fn other_libraries(
    golden: &BTreeMap<String, String>,
    here: &BTreeMap<String, String>,
) -> Vec<(String, String, String)> {
    let public = |version: &str| public_version(version).to_owned();
    let differs = |(name, wanted): (&String, &String)| {
        let found = here.get(name).map_or("missing".to_owned(), |v| public(v));
        // What is no distribution, such as the number of threads, is not the environment's.
        let library = !name.contains(' ') && name != "python";
        (library && found != public(wanted)).then(|| (name.clone(), public(wanted), found))
    };
    golden.iter().filter_map(differs).collect()
}

fn libraries(manifest: &Manifest, other: &[(String, String, String)]) -> Check {
    let python = &manifest.engine.version;
    if other.is_empty() {
        return Check::good(
            "libraries",
            format!("Python {python}; all as in the golden"),
        );
    }
    let list =
        |(name, wanted, found): &(String, String, String)| format!("{name} {found}, not {wanted}");
    let list: Vec<_> = other.iter().map(list).collect();
    let found = format!("Python {python}; {}", list.join("; "));
    Check::notice("libraries", found, "whether that matters is seen below")
}

fn case(outcome: &CaseOutcome, other: &[(String, String, String)]) -> Check {
    let name = &outcome.name;
    let failing = outcome.stages.iter().find_map(|stage| {
        let cell = stage.cascaded.as_ref()?;
        matches!(cell.verdict, Verdict::Fail | Verdict::Missing).then_some((stage.stage, cell))
    });
    match (failing, &outcome.problem, outcome.verdict) {
        (Some((stage, cell)), ..) => {
            let found = format!("begins at {stage}: {}", explain(cell));
            Check::new(name, State::Bad, found, Some(&remedy(Some(stage), other)))
        }
        (None, Some(problem), _) => Check::new(name, State::Bad, problem, None),
        (None, None, Verdict::Pass) => Check::good(name, "as the reference"),
        (None, None, verdict) => Check::new(name, State::Bad, verdict.name(), None),
    }
}

/// What to install: of the libraries that differ, the likeliest for what went wrong at a stage.
fn remedy(stage: Option<Stage>, other: &[(String, String, String)]) -> String {
    let name = stage.map(|s| s.to_string()).unwrap_or_default();
    let suspects = LIBRARIES
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix));
    let suspects = suspects.map_or(&[][..], |(_, libraries)| libraries);
    let of = |library: &&str| other.iter().find(|(name, ..)| name == library);
    let culprit = match stage {
        Some(_) => suspects.iter().find_map(of),
        None => other.first(),
    };
    match culprit.or(other.first()) {
        Some((library, wanted, found)) => {
            format!("{library} {found} is not the golden's: pip install {library}=={wanted}")
        }
        None => {
            "every library is the golden's: the checkout, the model or the machine differs".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
        list.iter().map(owned).collect()
    }

    #[test]
    fn a_stage_is_blamed_on_a_library_of_its_own_that_differs() {
        let golden = versions(&[
            ("torch", "2.3.1+cpu"),
            ("transformers", "4.51.3"),
            ("wetext", "0.1.8"),
            ("torch threads", "1"),
        ]);
        let here = versions(&[("torch", "2.3.1"), ("transformers", "4.57.0")]);
        let other = other_libraries(&golden, &here);
        let names: Vec<_> = other.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["transformers", "wetext"]);
        let at = |stage| remedy(Some(stage), &other);
        assert!(at(Stage::TextNormalized).contains("pip install wetext==0.1.8"));
        assert!(at(Stage::LlmTokens).contains("pip install transformers==4.51.3"));
        // None of the vocoder's own: the first that differs.
        assert!(at(Stage::VocoderWav).contains("transformers"));
        assert!(remedy(Some(Stage::LlmTokens), &[]).contains("the machine differs"));
    }
}
