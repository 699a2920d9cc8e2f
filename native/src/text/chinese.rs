//! Clean-up of a Chinese text after its numbers have been put into words, as in the reference.

/// Removes line feeds, blanks between Chinese characters, and unspoken marks.
///
/// Also returns whether the text ended in a blank, on which the reference raises IndexError.
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

/// Removes blanks except between two ASCII characters that are not blanks themselves.
///
/// The first character's left neighbour is the last character, as index −1 in Python.
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

/// Replaces commas at the very end by one full stop.
fn close_with_full_stop(mut text: String) -> String {
    let kept = text.trim_end_matches(['，', ',', '、']).len();
    if kept < text.len() {
        text.truncate(kept);
        text.push('。');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaned_texts_match_the_reference() {
        for (text, cleaned) in [
            ("你 好 world 再 见", "你好world再见"),
            ("hello world 你好 ok go", "hello world你好ok go"),
            (" a好b", " a好b"),
            (" 好", "好"),
            (" 好a", "好a"),
            ("a  b好", "ab好"),
            ("5m²和3m³", "5m平方和3m立方"),
            ("v1.5", "v1。5"),
            ("a - b 好", "a，b好"),
            ("（注）【好】`x`——完", "注好x 完"),
            ("好，,、", "好。"),
            ("好，a、，", "好，a。"),
            ("一\n二\nc d", "一二c d"),
        ] {
            assert_eq!(clean(text), (cleaned.into(), false), "{text}");
        }
    }

    #[test]
    fn a_trailing_blank_is_dropped_and_reported() {
        assert_eq!(clean("好 "), ("好".into(), true));
    }
}
