//! What child processes say.

use std::io::Read;
use std::thread::JoinHandle;

/// Bytes of an output that are read; the tokens of an hour of speech have 1 MB.
const MAX_OUTPUT: u64 = 64 << 20;

/// Reads what a program says beside it, so that it never waits for a reader.
pub(crate) fn reading(output: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(output) = output {
            // What was read before an error is all there is.
            let _ = output.take(MAX_OUTPUT).read_to_end(&mut text);
        }
        text
    })
}

/// All that was read, as text.
pub(crate) fn said(text: JoinHandle<Vec<u8>>) -> String {
    let text = text.join().unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The last `most` lines that are not blank.
pub(crate) fn last_lines(text: &str, most: usize) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<_> = lines.collect();
    lines[lines.len().saturating_sub(most)..].to_vec()
}
