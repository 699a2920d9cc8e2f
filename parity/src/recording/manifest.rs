use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, Sealed};
use crate::case::Case;
use crate::shard::Shard;
use crate::stage::Feed;

/// The recording format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// The manifest's file name; a folder is a recording if it has one.
pub const MANIFEST: &str = "manifest.json";

/// Who recorded what, with which files. A recording's table of contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format; see [`FORMAT`].
    pub format: u32,
    /// Who recorded.
    pub engine: EngineInfo,
    /// Versions of the engine's libraries: torch, onnxruntime, wetext …
    #[serde(default)]
    pub libraries: BTreeMap<String, String>,
    /// `cpu`, `cuda` …
    pub device: String,
    /// `f32`, `bf16` …
    pub precision: String,
    /// Where the stages got their inputs.
    #[serde(default)]
    pub feed: Feed,
    /// SHA-256 of the manifest of the golden that fed the stages, for an isolated run, or whose
    /// tokens the logits were teacher-forced on.
    #[serde(default)]
    pub fed_from: Option<String>,
    /// The weights.
    #[serde(default)]
    pub model: ModelInfo,
    /// The file of the language model's weights, for cases that name none. Base and
    /// reinforcement-learned weights differ only in their values.
    #[serde(default)]
    pub lm_weights: Option<String>,
    /// SHA-256 of the engine's sources, by relative path, if it is run from sources.
    #[serde(default)]
    pub sources: BTreeMap<String, String>,
    /// Files of every case. [`super::Writer`] fills this in.
    #[serde(default)]
    pub cases: BTreeMap<String, CaseFiles>,
    /// The time of the recording as RFC 3339; see [`timestamp`]. Empty if it is not known.
    #[serde(default)]
    pub recorded_at: String,
    /// Seconds spent, by stage or part.
    #[serde(default)]
    pub seconds: BTreeMap<String, f64>,
    /// Which part of a run this is, if its cases were spread over several recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<RunShard>,
    /// SHA-256 of this file with these digits replaced by zeros. [`super::Writer`] fills this in.
    #[serde(default)]
    pub seal: String,
}

/// An implementation of CosyVoice3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineInfo {
    /// `python` for the reference, `native` for this project's engine.
    pub name: String,
    /// The version; empty if it is not known.
    #[serde(default)]
    pub version: String,
    /// The commit that it was built or run from, if known.
    #[serde(default)]
    pub commit: Option<String>,
    /// The command that runs a case with this engine, with `{case}` for its name, so that a report
    /// can say how its findings are reproduced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl EngineInfo {
    /// Whether this is the reference.
    pub fn is_reference(&self) -> bool {
        self.name == "python"
    }
}

/// The weights of a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// A short name, such as `tiny-7`.
    #[serde(default)]
    pub id: String,
    /// Weight files and the yaml, by relative path. An engine that reads another format names the
    /// files that its own were converted from.
    #[serde(default)]
    pub files: BTreeMap<String, FileHash>,
    /// What the configuration says, by a name such as `llm.sampling.top_p`. It follows from the
    /// files, and says which setting differs where they do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// A file's content, by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileHash {
    /// SHA-256, lower-case hexadecimals.
    pub sha256: String,
    /// The length in bytes.
    pub bytes: u64,
}

/// Which part of a run a recording has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunShard {
    /// The shard.
    pub shard: Shard,
    /// Every case of the run in its order, those of all shards included.
    pub run_cases: Vec<String>,
}

/// The files of a case, by name, with their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFiles {
    /// SHA-256 by file name.
    pub files: BTreeMap<String, String>,
}

/// A library's version without its local part, such as `+cu121`, which does not count.
pub fn public_version(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

/// Adds `fields` to the manifest of a recording in `dir`, which another program wrote and which has
/// no seal; the rest of it stays as it is.
///
/// # Errors
/// If it cannot be read or written, or is no JSON object.
pub fn amend_manifest(dir: &Path, fields: Map<String, Value>) -> Result<(), Error> {
    let path = dir.join(MANIFEST);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let malformed = |e| Error::malformed(&path, e);
    let mut manifest: Map<String, Value> = serde_json::from_str(&text).map_err(malformed)?;
    manifest.extend(fields);
    let text = serde_json::to_string_pretty(&manifest).map_err(malformed)? + "\n";
    parity_atomic::write_file(&path, text.as_bytes()).map_err(Error::replacing)
}

/// The current time as RFC 3339, in UTC, to the second. Where `SOURCE_DATE_EPOCH` is set, by which
/// programs are told to write the same files in every run, it is that many seconds after 1970.
pub fn timestamp() -> String {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok();
    let told = told.and_then(|seconds| seconds.trim().parse().ok());
    let told = told.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    // Later years than this have no RFC 3339 form.
    let told = told.filter(|time| *time < UNIX_EPOCH + Duration::from_secs(253_402_300_800));
    humantime::format_rfc3339_seconds(told.unwrap_or_else(SystemTime::now)).to_string()
}

impl Manifest {
    /// A manifest of this format, recorded now, cascaded, with nothing else known yet.
    pub fn new(engine: EngineInfo, model: ModelInfo) -> Self {
        Self {
            format: FORMAT,
            engine,
            libraries: BTreeMap::new(),
            device: "cpu".into(),
            precision: "f32".into(),
            feed: Feed::Cascaded,
            fed_from: None,
            model,
            lm_weights: None,
            sources: BTreeMap::new(),
            cases: BTreeMap::new(),
            recorded_at: timestamp(),
            seconds: BTreeMap::new(),
            shard: None,
            seal: String::new(),
        }
    }

    /// The manifest as JSON without a seal, to be written to `path`.
    pub(super) fn unsealed(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let mut fields = serde_json::to_value(self).map_err(|e| Error::malformed(path, e))?;
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("seal");
        }
        serde_json::to_vec_pretty(&fields).map_err(|e| Error::malformed(path, e))
    }

    /// Parses and checks the manifest that was read from `path`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        Self::unseal(path, text)?.with_valid_names(path)
    }

    /// Parses the manifest of a candidate, which has a seal that holds or none at all: other
    /// programs write none.
    pub(super) fn parse_candidate(path: &Path, text: &str) -> Result<Self, Error> {
        let anything: serde_json::Value =
            serde_json::from_str(text).map_err(|e| Error::malformed(path, e))?;
        if anything.get("seal").is_some() {
            return Self::parse(path, text).map_err(|error| match error {
                Error::Damaged { path, reason } => Error::Damaged {
                    path,
                    reason: format!(
                        "{reason} (a recording by another program needs none: leave it out)"
                    ),
                },
                other => other,
            });
        }
        let found = anything.get("format").and_then(serde_json::Value::as_u64);
        match found {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(found) => {
                return Err(Error::UnknownFormat {
                    path: path.to_owned(),
                    found,
                    known: FORMAT,
                });
            }
            None => {
                let reason = format!("it lacks `\"format\": {FORMAT}`");
                return Err(Error::malformed(path, reason));
            }
        }
        let manifest: Self = serde_json::from_str(text).map_err(|e| Error::malformed(path, e))?;
        manifest
            .with_valid_names(path)
            .map_err(Error::into_malformed)
    }

    /// Whether it was written by this program, and is as it was written.
    pub fn is_sealed(&self) -> bool {
        !self.seal.is_empty()
    }

    fn with_valid_names(self, path: &Path) -> Result<Self, Error> {
        let manifest = self;
        let run = manifest.shard.iter().flat_map(|s| &s.run_cases);
        let mut names = manifest.cases.keys().chain(run);
        if let Some(name) = names.find(|n| !Case::is_name(n)) {
            return Err(Error::damaged(
                path,
                format!("\"{name}\" is not a valid case name"),
            ));
        }
        if let Some(RunShard { shard, .. }) = &manifest.shard
            && !shard.is_possible()
        {
            return Err(Error::damaged(path, format!("there is no shard {shard}")));
        }
        Ok(manifest)
    }
}

impl Sealed for Manifest {
    const FORMAT_FIELD: &'static str = "format";
    const FORMAT: u32 = FORMAT;

    fn seal(&mut self) -> &mut String {
        &mut self.seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let engine = EngineInfo {
            name: "python".into(),
            version: "1".into(),
            commit: None,
            command: None,
        };
        Manifest::new(
            engine,
            ModelInfo {
                id: "m".into(),
                files: BTreeMap::new(),
                settings: BTreeMap::new(),
            },
        )
    }

    fn parse(text: &str) -> Result<Manifest, Error> {
        Manifest::parse(Path::new("manifest.json"), text)
    }

    #[test]
    fn a_sealed_manifest_reads_back() {
        let read = parse(&manifest().sealed()).unwrap();
        assert_eq!(
            Manifest {
                seal: String::new(),
                ..read
            },
            manifest_at(&manifest().recorded_at)
        );
    }

    fn manifest_at(recorded_at: &str) -> Manifest {
        Manifest {
            recorded_at: recorded_at.into(),
            ..manifest()
        }
    }

    #[test]
    fn any_flipped_character_breaks_the_manifest() {
        let text = manifest().sealed();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let flipped = String::from_utf8(bytes).unwrap();
            assert!(parse(&flipped).is_err(), "position {at}: {flipped}");
        }
    }

    #[test]
    fn another_format_is_refused_by_its_number() {
        let text = r#"{"format": 7, "what": "else"}"#;
        assert!(matches!(
            parse(text),
            Err(Error::UnknownFormat {
                found: 7,
                known: 1,
                ..
            })
        ));
    }
}
