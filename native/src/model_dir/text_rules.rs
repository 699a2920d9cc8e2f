//! Where the text normaliser's rules are: a published model has none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Where `make setup` puts them, in the folder where it runs.
const OF_SETUP: &str = ".cache/text-rules";
/// Where `make install` puts them, in the user's cache.
const OF_USER: &str = "cosyvoice-parity/text-rules";

/// The first folder of rules that exists: the model's own, the one that set-up made in the working
/// directory, or the user's.
///
/// # Errors
/// If there is none; the message says where it was looked for.
pub(super) fn find(of_model: &Path) -> Result<PathBuf> {
    let user = user_cache(|name| std::env::var_os(name)).map(|cache| cache.join(OF_USER));
    let places: Vec<PathBuf> = [Some(of_model.to_owned()), Some(OF_SETUP.into()), user]
        .into_iter()
        .flatten()
        .collect();
    let found = places.iter().find(|place| place.is_dir()).cloned();
    found.ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
        Error::input(format!(
            "no text rules (looked in {}): `make setup` downloads them into {OF_SETUP}; \
             --text-rules names another folder, --normalizer none does without",
            places.join(", ")
        ))
    })
}

/// The folder for caches of the user who runs this.
fn user_cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_own_rules_come_first_and_their_absence_is_explained() {
        let model = tempfile::tempdir().unwrap();
        let own = model.path().join("text_rules");
        if let Err(error) = find(&own) {
            let message = error.to_string();
            for part in [
                "text_rules, .cache/text-rules",
                "make setup",
                "--text-rules",
            ] {
                assert!(message.contains(part), "{message}");
            }
        }
        std::fs::create_dir(&own).unwrap();
        assert_eq!(find(&own).unwrap(), own);
    }

    #[cfg(unix)]
    #[test]
    fn the_users_cache_is_where_the_system_says() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.to_vec();
            user_cache(|name| {
                let found = set.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("HOME", "/a")]), Some("/a/.cache".into()));
        let both = with(&[("HOME", "/a"), ("XDG_CACHE_HOME", "/b")]);
        assert_eq!(both, Some("/b".into()));
        let empty = with(&[("HOME", "/a"), ("XDG_CACHE_HOME", "")]);
        assert_eq!(empty, Some("/a/.cache".into()));
    }
}
