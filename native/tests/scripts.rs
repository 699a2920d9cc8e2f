//! The text stage of a request, which needs no network.

use std::sync::LazyLock;
use std::time::Duration;

use crate::model;
use native::engine::{Mode, PausedScript, Script, Text};
use native::family::EndOfPrompt;
use native::model_dir::SavedSpeaker;
use native::text::{FrontendOptions, TextFrontend};
use native::voice::VoicePrompt;

fn frontend() -> &'static TextFrontend {
    static FRONTEND: LazyLock<TextFrontend> = LazyLock::new(|| {
        let (vocabulary, rules) = ("CosyVoice-BlankEN", "text_rules");
        let model = model::tiny();
        let rules = model.join(rules);
        TextFrontend::load(
            &model.join(vocabulary),
            Some(&rules),
            FrontendOptions::default(),
        )
        .unwrap()
    });
    &FRONTEND
}

fn zero_shot(prompt_text: &str) -> Mode {
    Mode::ZeroShot {
        prompt_text: prompt_text.into(),
    }
}

fn cautions(prompt_text: &str, text: &str) -> Vec<String> {
    let mode = zero_shot(prompt_text);
    let script = Script::new(frontend(), &mode, &text.into(), None).unwrap();
    assert_eq!(script.warnings, [] as [&str; 0]);
    script.cautions(&mode, &EndOfPrompt::default())
}

#[test]
fn a_text_far_shorter_than_its_prompt_is_cautioned_about() {
    let prompt = "You are a helpful assistant.<|endofprompt|>The quick brown fox jumps.";
    assert_eq!(prompt.chars().count(), 69);
    // The reference's limit is half of the prompt's characters.
    assert_eq!(
        cautions(prompt, "It is a long way to the old houses."),
        [] as [&str; 0]
    );
    let said = cautions(prompt, "It is a long way to the old house.");
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("1 of 1") && said[0].contains("old house"),
        "{said:?}"
    );
}

#[test]
fn a_prompt_that_is_only_an_instruction_is_cautioned_about() {
    let text = "The quick brown fox jumps over the lazy dog, and the dog looks on.";
    for only in ["Be kind.<|endofprompt|>", "Be kind.<|endofprompt|> … "] {
        let said = cautions(only, text);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("only an instruction"), "{said:?}");
    }
    assert_eq!(
        cautions("Be kind.<|endofprompt|>Fox.", text),
        [] as [&str; 0]
    );
}

#[test]
fn a_text_without_words_has_nothing_to_say() {
    let mode = zero_shot("Be kind.<|endofprompt|>The fox.");
    for text in ["...", " \t", "…… ！！！", "\u{200b}", "(—) \u{ad}!"] {
        for text in [Text::Whole(text.into()), Text::Pieces(vec![text.into()])] {
            let refused = Script::new(frontend(), &mode, &text, None).unwrap_err();
            assert!(refused.to_string().contains("nothing to say"), "{refused}");
        }
    }
}

#[test]
fn a_saved_speaker_s_transcript_replaces_whatever_the_request_has() {
    let zeros = |n: &[usize]| {
        candle_core::Tensor::zeros(n, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap()
    };
    let speaker = SavedSpeaker {
        prompt_text_ids: vec![151_646, 9],
        voice: VoicePrompt {
            speech_tokens: vec![],
            mel: zeros(&[0, 80]),
            speaker_embedding: zeros(&[192]),
        },
    };
    // A text that the frontend would warn of, if it looked at it.
    for given in ["", "#1"] {
        let mode = zero_shot(given);
        let script = Script::new(frontend(), &mode, &"Hello.".into(), Some(&speaker)).unwrap();
        assert_eq!(
            (script.prompt_text.as_str(), script.prompt_ids.as_slice()),
            ("", &[151_646, 9][..])
        );
        assert_eq!(script.warnings, [] as [&str; 0]);
    }
}

fn paused(mode: &Mode, text: &str, between: u64) -> native::Result<PausedScript> {
    let end = EndOfPrompt::default();
    let between = Duration::from_millis(between);
    PausedScript::new(frontend(), mode, &text.into(), None, &end, between)
}

fn millis(pauses: &[Duration]) -> Vec<u128> {
    pauses.iter().map(Duration::as_millis).collect()
}

const PROMPT: &str = "You are a helpful assistant.<|endofprompt|>The quick brown fox.";

#[test]
fn a_pause_between_segments_changes_nothing_that_the_model_sees() {
    let text = "It was a dark night and the old house stood on the hill above the town. ".repeat(9);
    let mode = zero_shot(PROMPT);
    let script = Script::new(frontend(), &mode, &text.as_str().into(), None).unwrap();
    assert!(script.segments.len() > 1);
    let paused = paused(&mode, &text, 400).unwrap();
    assert_eq!(paused.script, script);
    let mut expected = vec![400; script.segments.len()];
    *expected.last_mut().unwrap() = 0;
    assert_eq!(
        (paused.before.as_millis(), millis(&paused.after)),
        (0, expected)
    );
}

#[test]
fn both_sides_of_a_break_are_said_as_texts_of_their_own() {
    let mode = zero_shot(PROMPT);
    let text = "<break time=\"1s\"/>It costs $5 <break time=\"0.5s\"/>, or so. \
                <break time=\"200ms\"/> ... <break time=\"50ms\"/>Goodbye<break time=\"2s\"/>";
    let paused = paused(&mode, text, 400).unwrap();
    let alone = ["It costs $5", ", or so.", "Goodbye"].map(|text| {
        let script = Script::new(frontend(), &mode, &text.into(), None).unwrap();
        assert_eq!(script.prompt_ids, paused.script.prompt_ids);
        script.segments
    });
    assert_eq!(paused.script.segments, alone.concat());
    let pauses = (paused.before.as_millis(), millis(&paused.after));
    assert_eq!(pauses, (1000, vec![500, 250, 2000]));
}

#[test]
fn every_side_of_a_break_has_the_instruction_that_the_text_begins_with() {
    let mode = Mode::CrossLingual;
    let text = "Be kind.<|endofprompt|>One.<break time=\"0.3s\"/>Two.";
    let paused = paused(&mode, text, 0).unwrap();
    let texts: Vec<_> = paused.script.segments.iter().map(|s| &*s.text).collect();
    assert_eq!(
        texts,
        ["Be kind.<|endofprompt|>One.", "Be kind.<|endofprompt|>Two."]
    );
    assert_eq!(millis(&paused.after), [300, 0]);
}

#[test]
fn breaks_that_make_no_sense_are_refused() {
    let mode = zero_shot(PROMPT);
    for (text, words) in [
        ("One <break/> two", "a pause is written"),
        (
            "Be <break time=\"1s\"/> kind.<|endofprompt|>One.",
            "must come after <|endofprompt|>",
        ),
        ("<break time=\"1s\"/> ... ", "nothing to say"),
    ] {
        let error = paused(&mode, text, 0).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let pieces = ["One <br", "eak time=\"1s\"/>"].map(str::to_owned).to_vec();
    let end = EndOfPrompt::default();
    let pieces = Text::Pieces(pieces);
    let found = PausedScript::new(frontend(), &mode, &pieces, None, &end, Duration::ZERO);
    assert!(
        found
            .unwrap_err()
            .to_string()
            .contains("pieces cannot have pauses")
    );
}
