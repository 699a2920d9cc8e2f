//! What the reference does to a Chinese text after its numbers are in words.

/// Removes line feeds, blanks between Chinese characters, and marks that are not spoken.
///
/// Returns also whether the text ended in a blank, where the reference raises IndexError.
pub(super) fn clean(text: &str) -> (String, bool) {
    let (text, ends_in_blank) = remove_blanks(&text.replace('\n', ""));
    let text = text
        .replace('²', "平方")
        .replace('³', "立方")
        .replace('.', "。")
        .replace(" - ", "，")
        .replace(['（', '）', '【', '】', '`'], "")
        .replace("——", " ");
    (close_with_full_stop(text), ends_in_blank)
}

/// Keeps a blank only between two ASCII characters that are none themselves.
///
/// The first character counts the last as its neighbour, as an index of −1 does in Python.
fn remove_blanks(text: &str) -> (String, bool) {
    let joins = |c: char| c.is_ascii() && c != ' ';
    let mut kept = String::with_capacity(text.len());
    let mut before = text.chars().next_back();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != ' ' || (before.is_some_and(joins) && chars.peek().copied().is_some_and(joins)) {
            kept.push(c);
        }
        before = Some(c);
    }
    (kept, text.ends_with(' '))
}

/// Turns the commas at the very end into one full stop.
fn close_with_full_stop(mut text: String) -> String {
    let kept = text.trim_end_matches(['，', ',', '、']).len();
    if kept < text.len() {
        text.truncate(kept);
        text.push('。');
    }
    text
}
