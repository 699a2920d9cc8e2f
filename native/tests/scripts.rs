//! The text stage of a request, which needs no network.

use std::sync::LazyLock;

use crate::model;
use native::engine::{Mode, Script, Text};
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
