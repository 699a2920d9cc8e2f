//! The colours of the report: text must have enough contrast with its background.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../src/report/render/templates/style.css");

/// The variables of each `:root`: light, then dark.
fn themes() -> Vec<BTreeMap<&'static str, [f64; 3]>> {
    let blocks = STYLE
        .split(":root {")
        .skip(1)
        .map(|b| b.split('}').next().unwrap());
    let theme = |block: &'static str| {
        let pairs = block.split(';').filter_map(|d| d.split_once(": #"));
        let colour = |(name, hex): (&'static str, &str)| {
            let channel = |i| f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            (name.trim(), [channel(0), channel(2), channel(4)])
        };
        pairs.map(colour).collect()
    };
    blocks.map(theme).collect()
}

/// The contrast ratio of WCAG 2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |c: [f64; 3]| {
        let linear = c.map(|v| {
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_has_the_contrast_of_wcag_aa_in_light_and_dark() {
    let themes = themes();
    assert_eq!(themes.len(), 2);
    assert!((contrast([1.0; 3], [0.0; 3]) - 21.0).abs() < 1e-9);
    for theme in themes {
        let grounds = ["--ground", "--raised"].map(|g| ("", g));
        let written = ["--ink", "--faint", "--good", "--bad", "--odd", "--calm"];
        let on_its_own = [
            ("--good", "--good-ground"),
            ("--bad", "--bad-ground"),
            ("--odd", "--odd-ground"),
            ("--calm", "--calm-ground"),
        ];
        let everywhere = written
            .iter()
            .flat_map(|ink| grounds.map(|(_, ground)| (*ink, ground)));
        for (ink, ground) in everywhere.chain(on_its_own) {
            let ratio = contrast(theme[ink], theme[ground]);
            assert!(ratio >= 4.5, "{ink} on {ground}: {ratio:.2}");
        }
        // Curves are not text: thin ones need 3 to 1, and must differ from the broad one below.
        for curve in ["--candidate", "--other"] {
            assert!(contrast(theme[curve], theme["--raised"]) >= 3.0, "{curve}");
        }
        assert!(contrast(theme["--candidate"], theme["--reference"]) >= 1.8);
    }
}
