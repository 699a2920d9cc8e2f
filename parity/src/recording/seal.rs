//! A manifest's seal: its own SHA-256, written with zeros in the place of the seal.

use super::sha256;

/// Digits of a seal.
const DIGITS: usize = 64;

/// What stands in the seal's place while it is not known.
pub(crate) fn unsealed() -> String {
    "0".repeat(DIGITS)
}

/// Puts the seal into `text`, in which [`unsealed`] stands for it and stands last.
pub(crate) fn seal(text: &str) -> String {
    match text.rfind(&unsealed()) {
        Some(at) => [&text[..at], &sha256(text.as_bytes()), &text[at + DIGITS..]].concat(),
        None => text.to_owned(),
    }
}

/// Whether `seal` is the seal of `text`, in which it stands quoted.
pub(crate) fn is_sealed(text: &str, seal: &str) -> bool {
    let zeros = format!("\"{}\"", unsealed());
    let without = text.replacen(&format!("\"{seal}\""), &zeros, 1);
    seal.len() == DIGITS && sha256(without.as_bytes()) == seal
}
