//! A readable few of the recorded texts, as the reference answered and as native answers.

use std::fmt::Write as _;

use crate::model;
use native::text::{FrontendOptions, TextFrontend};
use parity::text_corpus::{Corpus, Outcome};

const TEXTS: [&str; 12] = [
    "It costs $5.20, due on May 3rd.",
    "Dr. Smith paid $1,250.75 on 03/14/2021 at 3:30 pm.",
    "He said \"stop.\" Then he left.",
    "The temperature fell to -5°C, 12.5% below the average of 1998.",
    "今天是2024年3月5日，我们花了12.5元，买了3本书。",
    "他说：“我10:30到。”然后就走了。",
    "全长3.5km，面积12m²，体积8m³。",
    "你 好 world 再 见 hello world",
    "我用iPhone 15 Pro给Anna发了3封e-mail。",
    "<|en|>Hello, I have 2 dogs.",
    "You are a helpful assistant.<|endofprompt|>今天天气很好，我们去公园。",
    "#1",
];

fn shown(text: &str, normalized: &str, segments: &[(&String, &Vec<u32>)]) -> String {
    let mut out = format!("{text}\n  normalized  {normalized}\n");
    for (segment, ids) in segments {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  segment     {segment}\n  ids         {ids:?}");
    }
    out
}

fn by_the_reference(corpus: &Corpus, text: &str) -> String {
    let usual = corpus.parts.iter().find(|part| part.name == "usual");
    let mut lines = usual.into_iter().flat_map(|part| &part.lines);
    match &lines.find(|line| line.text == text).unwrap().outcome {
        Outcome::Answered(s) => {
            let segments: Vec<_> = s.segments.iter().zip(&s.ids).collect();
            shown(text, &s.normalized, &segments)
        }
        Outcome::Raised(kind) => format!("{text}\n  raises      {kind}\n"),
    }
}

fn by_native(frontend: &TextFrontend, text: &str) -> String {
    let found = frontend.normalize(text, true).unwrap();
    if let [warning] = &*found.warnings {
        let kind = warning.split_once(" in Python)").unwrap().0;
        let kind = kind.rsplit_once('(').unwrap().1;
        return format!("{text}\n  raises      {kind}\n");
    }
    let ids = |segment: &String| frontend.ids(segment).unwrap();
    let ids: Vec<_> = found.segments.iter().map(ids).collect();
    let segments: Vec<_> = found.segments.iter().zip(&ids).collect();
    shown(text, &found.text, &segments)
}

#[test]
fn a_readable_few_are_answered_as_the_reference_answers_them() {
    let corpus = Corpus::read(model::workspace().join("golden/text")).unwrap();
    let reference: String = TEXTS.iter().map(|t| by_the_reference(&corpus, t)).collect();
    // The snapshot is of the reference's answers, for people to read; native is held to it.
    insta::assert_snapshot!(reference);
    let model = model::tiny();
    let (vocabulary, rules) = (model.join("CosyVoice-BlankEN"), model.join("text_rules"));
    let frontend = TextFrontend::load(&vocabulary, Some(&rules), FrontendOptions::default());
    let frontend = frontend.unwrap();
    let native: String = TEXTS.iter().map(|t| by_native(&frontend, t)).collect();
    assert_eq!(native, reference);
}
