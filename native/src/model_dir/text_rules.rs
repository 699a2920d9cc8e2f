//! Where the text normaliser's rules are: a published model has none.

use std::path::{Path, PathBuf};

use super::user_cache::in_user_cache;
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
    let user = in_user_cache(OF_USER);
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
}
