//! The model that is meant when none is named: a small one that speaks.

use std::path::{Path, PathBuf};

use super::user_cache::in_user_cache;
use crate::{Error, Result};

/// Where `make build` writes it, in the folder where it runs.
const OF_MAKE: &str = "out/voice-7";
/// Where `make install` writes it, in the user's cache.
const OF_USER: &str = "cosyvoice-parity/voice-7";

/// The directory of the speaking model that belongs to this project.
///
/// # Errors
/// If it has not been written; the message says how to.
pub fn default_model() -> Result<PathBuf> {
    first_of([Some(OF_MAKE.into()), in_user_cache(OF_USER)])
}

fn first_of(places: [Option<PathBuf>; 2]) -> Result<PathBuf> {
    let places: Vec<_> = places.into_iter().flatten().collect();
    let is_model = |place: &&PathBuf| Path::is_dir(place);
    places.iter().find(is_model).cloned().ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
        Error::input(format!(
            "--model-dir is missing, and the model that comes along is not written yet (looked for \
             {}): `make model` or `make install` writes it",
            places.join(" and ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_of_make_comes_before_the_users_and_their_absence_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let [of_make, of_user] = ["a", "b"].map(|name| dir.path().join(name));
        let find = || first_of([Some(of_make.clone()), Some(of_user.clone())]);
        let message = find().unwrap_err().to_string();
        for part in ["--model-dir", "a and ", "make install"] {
            assert!(message.contains(part), "{message}");
        }
        std::fs::create_dir(&of_user).unwrap();
        assert_eq!(find().unwrap(), of_user);
        std::fs::create_dir(&of_make).unwrap();
        assert_eq!(find().unwrap(), of_make);
    }
}
