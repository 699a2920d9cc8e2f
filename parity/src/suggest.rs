//! What somebody may have meant by a name that does not exist.

/// Similarity (Jaro-Winkler) above which a name is suggested.
const SIMILAR: f64 = 0.85;
/// Names that are listed where none is similar.
const LISTED: usize = 8;

/// Completes the message about an unknown `name`: the most similar of the `known` ones, or some of
/// them.
pub fn hint(name: &str, known: &[String]) -> String {
    let similar = |other: &&String| strsim::jaro_winkler(name, other);
    let best = known
        .iter()
        .max_by(|a, b| similar(a).total_cmp(&similar(b)));
    match best {
        None => "there are none".to_owned(),
        Some(best) if similar(&best) >= SIMILAR => format!("did you mean `{best}`?"),
        Some(_) => {
            let (listed, rest) = known.split_at(known.len().min(LISTED));
            let more = match rest.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            format!("there are {}{more}", listed.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_anything_else_lists_some() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let few = names(&["english-short", "chinese-short"]);
        assert_eq!(hint("english-shrt", &few), "did you mean `english-short`?");
        assert_eq!(hint("x", &few), "there are english-short, chinese-short");
        let many: Vec<_> = (0..10).map(|i| format!("case-{i}")).collect();
        assert!(hint("x", &many).ends_with("case-7 and 2 more"));
        assert_eq!(hint("x", &[]), "there are none");
    }
}
