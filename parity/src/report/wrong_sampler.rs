//! The page "What a wrong sampler sounds like".

use minijinja::{Value, context};

use super::model::Sound;
use super::render::{self, player};
use crate::recording::SAMPLE_RATE;
use crate::wrong_sampler::{Findings, Heard, Margins, Mistake, Row};

/// The name of the page's file, beside `index.html`.
pub const WRONG_SAMPLER_PAGE: &str = "wrong-sampler.html";
/// Longer sounds are cut.
const SECONDS: f64 = 60.0;

/// What each mistake of a sampler does to the length of speech, and how it sounds, as a
/// self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn wrong_sampler_html(findings: &Findings) -> Result<String, String> {
    let right = findings.rows.first();
    let rows: Vec<_> = findings.rows.iter().map(|r| row(r, right)).collect();
    let heard: Vec<_> = findings.heard.iter().map(text).collect();
    render::render(
        "wrong_sampler.html",
        &[render::SOUND_SCRIPT],
        context! {
            texts => findings.texts, seeds => findings.seeds, rows, heard,
            margins => near_ties(&findings.margins),
        },
    )
}

/// The same as a table for the terminal.
pub fn wrong_sampler_table(findings: &Findings) -> String {
    let mut out = format!(
        "{:<24}  {:>8}  {:>8}  {:>9}  {:>7}\n",
        "", "length", "overlong", "no end", "same"
    );
    let right = findings.rows.first();
    for r in &findings.rows {
        let [length, overlong, endless, same] = [
            length(r, right),
            share(r.overlong, r),
            share(r.endless, r),
            share(r.same, r),
        ];
        out += &format!(
            "{:<24}  {length:>8}  {overlong:>8}  {endless:>9}  {same:>7}\n",
            name(r.mistake)
        );
    }
    out + &near_ties(&findings.margins) + "\n"
}

/// How often another token was near, in words.
fn near_ties(margins: &Margins) -> String {
    let counts = Margins::BOUNDS.iter().zip(margins.below);
    let counts: Vec<_> = counts
        .map(|(bound, count)| format!("{count} by less than {bound}"))
        .collect();
    format!(
        "of {} draws as the reference, another token would have been drawn if the logits had differed: \
         in {} (the nearest: {:.1e})",
        margins.draws,
        counts.join(", "),
        margins.least
    )
}

fn name(mistake: Option<Mistake>) -> &'static str {
    mistake.map_or("as the reference", Mistake::name)
}

fn share(count: usize, of: &Row) -> String {
    format!("{:.1} %", 100.0 * count as f64 / of.runs.max(1) as f64)
}

/// The length, as a multiple of the right sampler's.
fn length(row: &Row, right: Option<&Row>) -> String {
    let right = right.map_or(0, |r| r.tokens).max(1);
    format!("{:.3}", row.tokens as f64 / right as f64)
}

fn row(row: &Row, right: Option<&Row>) -> Value {
    context! {
        name => name(row.mistake),
        meaning => row.mistake.map(Mistake::meaning),
        runs => row.runs,
        length => length(row, right),
        overlong => share(row.overlong, row),
        short => share(row.short, row),
        endless => share(row.endless, row),
        same => share(row.same, row),
    }
}

/// A text with a player for every mistake, against the right sound.
fn text(heard: &Heard) -> Value {
    let mut sounds = heard.sounds.iter();
    let right = sounds.next().map_or(&[][..], |(_, sound)| sound);
    let players: Vec<_> = sounds
        .map(|(mistake, wrong)| {
            let sound = Sound::new(right, wrong, SAMPLE_RATE, SECONDS);
            let player = sound.as_ref().and_then(player);
            context! { name => name(*mistake), same => wrong == right, player }
        })
        .collect();
    context! { text => heard.text, players }
}
