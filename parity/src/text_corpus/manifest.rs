use std::collections::BTreeMap;
use std::path::Path;

use native::model_dir::ModelDir;
use serde::{Deserialize, Serialize};

use super::{FrontendSetting, Plan};
use crate::recording::{Error, LINE_ENDS, Sealed, difference, sha256_file};

/// The format of recorded texts that this program writes and reads.
pub const TEXT_FORMAT: u32 = 1;
/// The folder of the recording within a corpus.
pub const RECORDED: &str = "recorded";

/// Who recorded which texts, and with which files. The recording's table of contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusManifest {
    /// Version of the format; see [`TEXT_FORMAT`].
    pub text_format: u32,
    /// Who recorded.
    pub reference: Reference,
    /// SHA-256 of the plan.
    pub plan: String,
    /// SHA-256 of every file of texts, by name.
    pub texts: BTreeMap<String, String>,
    /// The files of answers, by part.
    pub parts: BTreeMap<String, PartInfo>,
    /// The time of the recording as RFC 3339.
    pub recorded_at: String,
    /// SHA-256 of this file with these digits replaced by zeros.
    pub seal: String,
}

/// The reference's versions and files that its outputs depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "record", derive(pyo3::FromPyObject))]
#[cfg_attr(feature = "record", pyo3(from_item_all))]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The commit of CosyVoice, if known.
    pub commit: Option<String>,
    /// Versions of its libraries.
    pub libraries: BTreeMap<String, String>,
    /// SHA-256 of its sources, by relative path.
    pub sources: BTreeMap<String, String>,
    /// SHA-256 of the tokenizer's files, by name.
    pub vocabulary: BTreeMap<String, String>,
    /// SHA-256 of the normaliser's rule files, by relative path.
    pub rules: BTreeMap<String, String>,
}

/// A file of answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartInfo {
    /// The frontend's setting.
    pub setting: FrontendSetting,
    /// Lines of the file.
    pub lines: usize,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Sealed for CorpusManifest {
    const FORMAT_FIELD: &'static str = "text_format";
    const FORMAT: u32 = TEXT_FORMAT;

    fn seal(&mut self) -> &mut String {
        &mut self.seal
    }
}

impl CorpusManifest {
    /// Refuses a plan or texts that have changed since the recording.
    pub(super) fn expect_plan(&self, dir: &Path, plan: &Plan) -> Result<(), Error> {
        let stale = |file: String, expected: &str, reason: &str| {
            let path = dir.join(file);
            let found = std::fs::read(&path).ok();
            let found = found.and_then(|bytes| difference(&bytes, expected));
            let reason = found.filter(|r| *r == LINE_ENDS).unwrap_or(reason).into();
            Error::Stale { path, reason }
        };
        if self.plan != plan.sha256 {
            return Err(stale(
                super::PLAN.into(),
                &self.plan,
                "it has changed since the recording",
            ));
        }
        let texts = plan.texts.iter().map(|(name, texts)| (name, &texts.sha256));
        if let Some((name, _)) = texts
            .into_iter()
            .find(|(n, sha)| self.texts.get(*n) != Some(sha))
        {
            let file = format!("texts/{name}.jsonl");
            let expected = self.texts.get(name).map_or("", String::as_str);
            return Err(stale(
                file,
                expected,
                "its lines have changed since the recording",
            ));
        }
        Ok(())
    }

    /// Refuses a model whose tokenizer or rule files differ from the reference's.
    ///
    /// # Errors
    /// If a file differs or cannot be read.
    pub fn expect_model(&self, model: &ModelDir) -> Result<(), Error> {
        let (vocabulary, rules) = (model.text_tokenizer(), model.text_rules()?);
        for (folder, recorded) in [
            (&vocabulary, &self.reference.vocabulary),
            (&rules, &self.reference.rules),
        ] {
            for (name, expected) in recorded {
                let path = folder.join(name);
                if sha256_file(&path)?.sha256 != *expected {
                    return Err(Error::Stale {
                        path,
                        reason: "the texts were recorded with another file".into(),
                    });
                }
            }
        }
        let whole = vocabulary.join("tokenizer.json");
        if whole.exists() && !self.reference.vocabulary.contains_key("tokenizer.json") {
            return Err(Error::Stale {
                path: whole,
                reason: "the texts were recorded without this file, which is read first".into(),
            });
        }
        Ok(())
    }
}
