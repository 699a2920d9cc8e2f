use crate::case::{Case, Keep, Text};

/// What a case costs beside its text: the prompt's features, and the prompt in every network.
const PROMPT: u64 = 40;
/// What is taken for the length of a recording that is converted: some ten seconds.
const CONVERSION: u64 = 150;
/// How much more the flow and the vocoder cost than the language model alone.
const SOUND: u64 = 4;
/// How much more a stream costs, whose flow begins anew with every chunk.
const STREAM: u64 = 2;

/// How much work a case is expected to be, in the length of its speech: 1 is a letter of English,
/// and some 15 of them are a second. It balances shards, and has to be no better than that needs.
pub fn case_cost(case: &Case) -> u64 {
    let text = case.text().map(Text::joined);
    let spoken = text.map_or(CONVERSION, |text| spoken(&text));
    let sound = if case.keep == Keep::Tokens { 1 } else { SOUND };
    let stream = if case.stream { STREAM } else { 1 };
    (PROMPT + spoken) * sound * stream
}

/// How much work a line of the text corpus is expected to be: it grows with its characters.
pub fn text_cost(text: &str) -> u64 {
    20 + text.chars().count() as u64
}

/// The length of the speech of a text. A Chinese character is a syllable, which takes as long as
/// some four letters.
fn spoken(text: &str) -> u64 {
    let letters = |c: char| if c >= '\u{2e80}' { 4 } else { 1 };
    text.chars().map(letters).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Mode;

    fn case(text: &str, keep: Keep, stream: bool) -> Case {
        Case {
            name: "a".into(),
            mode: Mode::CrossLingual {
                text: Text::Whole(text.into()),
            },
            prompt_wav: "a.wav".into(),
            speaker: None,
            lm_weights: None,
            seed: 0,
            stream,
            speed: 1.0,
            keep,
        }
    }

    #[test]
    fn longer_texts_sounds_and_streams_cost_more() {
        let cost = |text, keep, stream| case_cost(&case(text, keep, stream));
        let short = cost("Hello.", Keep::Tokens, false);
        assert!(cost("Hello there, all of you.", Keep::Tokens, false) > short);
        assert!(
            cost("你好，世界你好。", Keep::Tokens, false) > cost("Hi world.", Keep::Tokens, false)
        );
        assert!(cost("Hello.", Keep::Sound, false) > short);
        assert!(cost("Hello.", Keep::Everything, true) > cost("Hello.", Keep::Everything, false));
    }

    #[test]
    fn a_conversion_costs_as_much_as_some_seconds_of_speech() {
        let conversion = Case {
            mode: Mode::Vc {
                source_wav: "b.wav".into(),
            },
            ..case("", Keep::Sound, false)
        };
        assert!(case_cost(&conversion) > case_cost(&case("Hello.", Keep::Sound, false)));
    }
}
