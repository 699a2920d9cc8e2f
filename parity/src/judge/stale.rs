//! Whether a golden still fits the candidate and the current cases.

use super::tolerances::Pins;
use crate::case::LmSet;
use crate::recording::{Manifest, RecordedCase, RecordingSource};

/// Why a golden as a whole is stale, reason by reason.
pub(super) fn manifests(golden: &Manifest, pins: &Pins) -> Vec<String> {
    let mut reasons = Vec::new();
    // The pins apply to the Python reference only.
    if golden.engine.name == "python" {
        match &golden.engine.commit {
            Some(commit) if pins.commits.is_empty() || pins.commits.contains(commit) => {}
            None if pins.commits.is_empty() => {}
            found => reasons.push(format!(
                "the golden was recorded at commit {} of the reference, not {}",
                found.as_deref().unwrap_or("unknown"),
                pins.commits.join(" or ")
            )),
        }
        for (library, known) in &pins.libraries {
            let Some(version) = golden.libraries.get(library) else {
                continue;
            };
            let public = version.split('+').next().unwrap_or(version);
            if !known.iter().any(|k| k == public) {
                reasons.push(format!(
                    "the golden was recorded with {library} {version}, not {}",
                    known.join(" or ")
                ));
            }
        }
    }
    reasons
}

/// Why a candidate was not made for this golden.
pub(crate) fn candidate(golden: &dyn RecordingSource, candidate: &Manifest) -> Vec<String> {
    let mut reasons = Vec::new();
    let files = &golden.manifest().model.files;
    for (name, file) in &candidate.model.files {
        if files.get(name).is_some_and(|g| g != file) {
            reasons.push(format!(
                "the golden was recorded with another {name} than the candidate"
            ));
        }
    }
    let golden_weights = golden.manifest().lm_weights.as_deref();
    if let (Some(g), Some(c)) = (golden_weights, candidate.lm_weights.as_deref())
        && LmSet::of_file(g) != LmSet::of_file(c)
    {
        reasons.push(format!(
            "the golden's language model uses {g}, the candidate's uses {c}"
        ));
    }
    if let (Some(fed), Some(sha256)) = (&candidate.fed_from, golden.manifest_sha256())
        && fed != sha256
    {
        reasons.push("the candidate was fed from another golden; record it again".into());
    }
    reasons
}

/// Why a case of the golden differs from the one that `source` names.
pub(super) fn case(golden: &RecordedCase, expected: &RecordedCase, source: &str) -> Option<String> {
    let speaker = |c: &RecordedCase| c.case.speaker.as_ref().map(|s| s.name.clone());
    let fields = [
        (
            "prompt recording",
            golden.prompt_wav_sha256 != expected.prompt_wav_sha256,
        ),
        (
            "source recording",
            golden.source_wav_sha256 != expected.source_wav_sha256,
        ),
        ("text", golden.case.text() != expected.case.text()),
        ("saved speaker", speaker(golden) != speaker(expected)),
        (
            "set of weights",
            golden.case.lm_weights != expected.case.lm_weights,
        ),
        (
            "prompt text",
            golden.case.prompt_text() != expected.case.prompt_text(),
        ),
        (
            "instruction",
            golden.case.instruct() != expected.case.instruct(),
        ),
        ("mode", golden.case.mode_name() != expected.case.mode_name()),
        ("seed", golden.case.seed != expected.case.seed),
        ("streaming", golden.case.stream != expected.case.stream),
        ("speed", golden.case.speed != expected.case.speed),
        (
            "choice of stages kept",
            golden.case.keep != expected.case.keep,
        ),
    ];
    let changed: Vec<_> = fields.iter().filter(|f| f.1).map(|f| f.0).collect();
    (!changed.is_empty()).then(|| {
        format!(
            "the golden was recorded with another {} than {source}",
            changed.join(", ")
        )
    })
}

/// Checks that were impossible, for the report's list of what is not covered.
pub(super) fn unchecked(golden: &Manifest, candidate: &Manifest) -> Option<String> {
    let files = &golden.model.files;
    let shared = candidate
        .model
        .files
        .keys()
        .any(|name| files.contains_key(name));
    (!shared).then(|| {
        "whether both sides used the same weights: their manifests have no file in common".into()
    })
}
