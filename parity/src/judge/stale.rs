//! Whether a golden still fits the candidate and the current cases. What a verdict relies on has to
//! be stated: a manifest that does not say it is as stale as one that says something else.

use std::collections::BTreeMap;

use super::tolerances::Pins;
use crate::case::{Case, LmSet};
use crate::recording::{
    FileHash, Manifest, ModelInfo, RecordedCase, RecordingSource, public_version,
};
use crate::stage::Feed;

/// Where and how the reference records: its noise is that of float32 on a processor, and the limits
/// are multiples of it.
const DEVICE: &str = "cpu";
const PRECISION: &str = "f32";

/// How the names of the language model's weight files begin.
const LM_FILES: &str = "llm.";

/// Digits of a hash in a message, as git shows them.
const SHORT: usize = 8;

/// Why a golden as a whole is stale, reason by reason: it is not from a reference that the limits
/// were set for.
pub fn manifests(golden: &Manifest, pins: &Pins) -> Vec<String> {
    let mut reasons = Vec::new();
    // The pins apply to the Python reference only.
    if !golden.engine.is_reference() {
        return reasons;
    }
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
            reasons.push(format!(
                "the golden does not say which {library} it was recorded with"
            ));
            continue;
        };
        let public = public_version(version);
        if !known.iter().any(|k| k == public) {
            reasons.push(format!(
                "the golden was recorded with {library} {version}, not {}",
                known.join(" or ")
            ));
        }
    }
    if golden.sources.is_empty() {
        reasons.push("the golden does not say which sources of the reference ran".into());
    }
    for (what, found, wanted) in [
        ("device", golden.device.as_str(), DEVICE),
        ("precision", &golden.precision, PRECISION),
        ("feed", golden.feed.name(), Feed::Cascaded.name()),
    ] {
        if found != wanted {
            reasons.push(format!(
                "the golden says {what} {found}, but the reference records with {what} {wanted}"
            ));
        }
    }
    if golden.fed_from.is_some() {
        reasons.push("the golden was fed from another recording, not by itself".into());
    }
    if golden.lm_weights.is_none() {
        reasons.push("the golden does not say which weights of the language model it used".into());
    }
    reasons
}

/// Why a candidate was not made for this golden, by what it says of itself.
pub fn candidate(golden: &dyn RecordingSource, candidate: &Manifest) -> Vec<String> {
    let manifest = golden.manifest();
    let mut reasons = model_files(manifest, candidate);
    match (&manifest.lm_weights, &candidate.lm_weights) {
        (Some(g), Some(c)) if LmSet::of_file(g) != LmSet::of_file(c) => reasons.push(format!(
            "the golden's language model uses {g}, the candidate's uses {c}"
        )),
        (Some(_), None) => reasons
            .push("the candidate does not say which weights of the language model it used".into()),
        _ => {}
    }
    if manifest.feed == Feed::Isolated && candidate.feed == Feed::Cascaded {
        reasons
            .push("the golden is isolated, but the candidate was recorded from end to end".into());
    }
    // Two isolated recordings are comparable if the same golden fed them.
    let feeder = match manifest.feed {
        Feed::Isolated => manifest.fed_from.as_deref(),
        Feed::Cascaded => golden.manifest_sha256(),
    };
    match (&candidate.fed_from, feeder) {
        (Some(fed), Some(sha256)) if fed != sha256 => {
            reasons.push("the candidate was fed from another golden; record it again".into());
        }
        (None, Some(_)) if candidate.feed == Feed::Isolated => {
            reasons.push("the candidate does not say which golden fed it; record it again".into());
        }
        _ => {}
    }
    reasons
}

/// Why a recording does not say which weights of the language model a case used: the manifest names
/// the file, or the case the set, but its hash is not there.
pub(super) fn lm_weights(who: &str, manifest: &Manifest, case: &Case) -> Option<String> {
    let mut files = manifest.model.files.keys();
    let (stated, wanted) = match (case.lm_weights, &manifest.lm_weights) {
        (Some(set), _) => (
            files.any(|f| f.starts_with(LM_FILES) && LmSet::of_file(f) == set),
            format!("{} weights of the language model", set.name()),
        ),
        (None, Some(file)) => (files.any(|f| f == file), file.clone()),
        (None, None) => return None,
    };
    let needed = !case.is_conversion() && !stated;
    needed.then(|| format!("the {who} does not say which {wanted} it was recorded with"))
}

/// Why the model's files are not shown to be the same on both sides.
fn model_files(golden: &Manifest, candidate: &Manifest) -> Vec<String> {
    let (g, c) = (&golden.model.files, &candidate.model.files);
    let mut reasons = Vec::new();
    for (who, files) in [("golden", g), ("candidate", c)] {
        if files.is_empty() {
            reasons.push(format!(
                "the {who} does not say which model files it was recorded with"
            ));
        }
    }
    if !reasons.is_empty() {
        return reasons;
    }
    for (name, file) in c {
        if let Some(other) = g.get(name).filter(|other| *other != file) {
            let how = match changed_settings(&golden.model, &candidate.model) {
                Some(settings) if is_configuration(name) => settings,
                _ => format!("{}, not {}", short(other), short(file)),
            };
            reasons.push(format!(
                "the golden was recorded with another {name} than the candidate ({how})"
            ));
        }
    }
    for (who, files, others) in [("golden", g, c), ("candidate", c, g)] {
        let unstated = others.keys().filter(|name| !states(files, name));
        reasons.extend(
            unstated
                .map(|name| format!("the {who} does not say which {name} it was recorded with")),
        );
    }
    reasons
}

/// Whether a file holds settings rather than weights.
fn is_configuration(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with("config.json")
}

/// The settings of which both sides speak, and differ: `llm.sampling.top_p: 0.7, golden 0.8`.
fn changed_settings(golden: &ModelInfo, candidate: &ModelInfo) -> Option<String> {
    let changed = candidate.settings.iter().filter_map(|(name, value)| {
        let other = golden.settings.get(name).filter(|other| *other != value)?;
        Some(format!("{name}: {value}, golden {other}"))
    });
    let changed: Vec<_> = changed.collect();
    (!changed.is_empty()).then(|| changed.join(", "))
}

/// The hash of a file, shortened; with the length if that is what differs at a glance.
fn short(file: &FileHash) -> String {
    let hash: String = file.sha256.chars().take(SHORT).collect();
    format!("sha256 {hash}…, {} bytes", file.bytes)
}

/// Whether `files` say what stands in for the file `name` of the other side. A model may have either
/// set of the language model's weights, or both, and saved speakers come and go.
fn states(files: &BTreeMap<String, FileHash>, name: &str) -> bool {
    name.starts_with(LM_FILES)
        || name == "spk2info.pt"
        || files.keys().any(|f| stem(f) == stem(name))
}

/// A weight file's name without its format.
fn stem(name: &str) -> &str {
    let formats = [".pt", ".safetensors"];
    formats
        .iter()
        .find_map(|format| name.strip_suffix(format))
        .unwrap_or(name)
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

/// Files whose content could not be compared, for the report's list of what is not covered: each
/// side has them in another format.
pub(super) fn unchecked(golden: &Manifest, candidate: &Manifest) -> Option<String> {
    let (g, c) = (&golden.model.files, &candidate.model.files);
    let twin = |name: &String| g.keys().find(|other| stem(other) == stem(name));
    let pairs = c.keys().filter(|name| !g.contains_key(*name));
    let pairs = pairs.filter_map(|name| Some(format!("{name} and {}", twin(name)?)));
    let pairs: Vec<_> = pairs.collect();
    (!pairs.is_empty()).then(|| {
        format!(
            "whether both sides used the same weights: {} are of different formats",
            pairs.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(yaml: &str, settings: &[(&str, &str)]) -> ModelInfo {
        let hash = FileHash {
            sha256: crate::recording::sha256(yaml.as_bytes()),
            bytes: yaml.len() as u64,
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        ModelInfo {
            id: "tiny".into(),
            files: BTreeMap::from([("cosyvoice3.yaml".to_owned(), hash)]),
            settings: settings.iter().map(owned).collect(),
        }
    }

    #[test]
    fn the_setting_that_differs_is_named_where_both_sides_state_it() {
        let golden = model(
            "a",
            &[("llm.sampling.top_p", "0.8"), ("sample_rate", "24000")],
        );
        let candidate = model(
            "b",
            &[("llm.sampling.top_p", "0.7"), ("sample_rate", "24000")],
        );
        assert_eq!(
            changed_settings(&golden, &candidate).unwrap(),
            "llm.sampling.top_p: 0.7, golden 0.8"
        );
        // Older goldens state none; a comment in the file changes none.
        assert_eq!(changed_settings(&model("a", &[]), &candidate), None);
        assert_eq!(changed_settings(&candidate, &candidate), None);
    }
}
