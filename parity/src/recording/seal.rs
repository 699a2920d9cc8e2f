//! Sealed manifests: JSON with the version of its format and its own SHA-256, which is computed
//! with zeros in place of the seal.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::hash::{LINE_ENDS, unified_line_ends};
use super::{Error, sha256};

/// Digits of a seal.
const DIGITS: usize = 64;

/// A manifest whose last field is its seal.
pub(crate) trait Sealed: Serialize + DeserializeOwned + Clone {
    /// The field with the format's version.
    const FORMAT_FIELD: &'static str;
    /// The version that this program writes and reads.
    const FORMAT: u32;

    /// The seal.
    fn seal(&mut self) -> &mut String;

    /// The manifest as JSON, sealed.
    fn sealed(&self) -> String {
        let mut manifest = self.clone();
        *manifest.seal() = unsealed();
        // Serialising strings, maps with string keys and finite floats cannot fail; a float that
        // is not finite becomes null and is refused on reading.
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n";
        seal(&text)
    }

    /// Parses the manifest that was read from `path`, and checks its format and seal.
    fn unseal(path: &Path, text: &str) -> Result<Self, Error> {
        let damaged = |e: serde_json::Error| Error::damaged(path, e);
        let anything: Value = serde_json::from_str(text).map_err(damaged)?;
        let found = anything.get(Self::FORMAT_FIELD).and_then(Value::as_u64);
        let found = found.ok_or_else(|| {
            let reason = format!("it lacks the number \"{}\"", Self::FORMAT_FIELD);
            Error::damaged(path, reason)
        })?;
        if found != u64::from(Self::FORMAT) {
            return Err(Error::UnknownFormat {
                path: path.to_owned(),
                found,
                known: Self::FORMAT,
            });
        }
        let mut manifest: Self = serde_json::from_str(text).map_err(damaged)?;
        if !is_sealed(text, manifest.seal()) {
            let unified = unified_line_ends(text.as_bytes());
            let only_line_ends = unified.len() < text.len()
                && str::from_utf8(&unified).is_ok_and(|text| is_sealed(text, manifest.seal()));
            return Err(Error::damaged(
                path,
                match only_line_ends {
                    true => LINE_ENDS,
                    false => "its seal does not match its content",
                },
            ));
        }
        Ok(manifest)
    }
}

/// The placeholder of a seal.
fn unsealed() -> String {
    "0".repeat(DIGITS)
}

/// Replaces the last [`unsealed`] in `text` by the seal.
fn seal(text: &str) -> String {
    match text.rfind(&unsealed()) {
        Some(at) => [&text[..at], &sha256(text.as_bytes()), &text[at + DIGITS..]].concat(),
        None => text.to_owned(),
    }
}

/// Whether `seal` is the seal of `text`, which contains it in quotes.
fn is_sealed(text: &str, seal: &str) -> bool {
    let zeros = format!("\"{}\"", unsealed());
    let without = text.replacen(&format!("\"{seal}\""), &zeros, 1);
    seal.len() == DIGITS && sha256(without.as_bytes()) == seal
}
