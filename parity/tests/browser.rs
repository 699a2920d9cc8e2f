//! The report in a real browser: what a reader sees, hears and presses. Skipped with a message if
//! Chromium is not installed.

use std::io::Write as _;
use std::sync::Mutex;

use parity::recording::Recording;
use parity::report::{Report, html};
use parity::stage::{Feed, Key, Stage};

use crate::chromium::{Chromium, find};
use crate::made_up;

/// How often the made-up sounds are repeated: long enough to be played on a busy machine.
const REPEATS: usize = 60;
/// Seconds of the second case: two segments, each of 12 frames of 480 samples at 24 kHz.
const SECONDS: f64 = 2.0 * 12.0 * 480.0 / 24_000.0 * REPEATS as f64;

/// One browser at a time: they would take each other's processor.
static TURN: Mutex<()> = Mutex::new(());

/// The page of a report in a browser.
struct Page {
    browser: Chromium,
    address: String,
    _folder: tempfile::TempDir,
    _turn: std::sync::MutexGuard<'static, ()>,
}

impl Page {
    /// None, and a line that the test runner does not capture, if Chromium is not installed.
    fn open(report: &Report, place: &str) -> Option<Self> {
        let Some(program) = find() else {
            let line = b"SKIPPED: no Chromium here; the report was not looked at in a browser\n";
            std::io::stderr().write_all(line).unwrap();
            return None;
        };
        let turn = TURN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.html");
        std::fs::write(&file, html(report).unwrap()).unwrap();
        let address = format!("file://{}", file.display());
        let browser = Chromium::open(&program, &format!("{address}{place}"));
        Some(Self {
            browser,
            address,
            _folder: folder,
            _turn: turn,
        })
    }

    /// Names of the cases in the matrix that can be seen.
    fn rows(&mut self) -> Vec<String> {
        let names = "[...document.querySelectorAll('.matrix .row')].filter(r => r.checkVisibility())\
                     .map(r => r.querySelector('a').textContent)";
        let names = self.browser.value(names);
        names
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap().to_owned())
            .collect()
    }

    fn hash(&mut self) -> String {
        self.browser
            .value("location.hash")
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The case that is open, if one is.
    fn case(&mut self) -> Option<String> {
        let id = "[...document.querySelectorAll('section.case')].filter(s => s.checkVisibility())\
                  .map(s => s.id).join()";
        let id = self.browser.value(id);
        Some(id.as_str()?.strip_prefix("case/")?.to_owned())
    }
}

/// Two cases of some seconds; in the second, faults are planted in the text, the tokens and the
/// flow.
fn report() -> Report {
    let longer = |mut recording: Recording, feed: Feed| {
        recording.manifest.feed = feed;
        for case in recording.cases.values_mut() {
            case.audio = case.audio.repeat(REPEATS);
        }
        recording
    };
    let golden = longer(made_up::golden(), Feed::Cascaded);
    let mut isolated = longer(made_up::recording("native"), Feed::Isolated);
    let mut cascaded = longer(made_up::recording("native"), Feed::Cascaded);
    cascaded
        .cases
        .get_mut("second")
        .unwrap()
        .audio
        .iter_mut()
        .for_each(|x| *x *= 1.1);
    let faulty = isolated.cases.get_mut("second").unwrap();
    faulty.text.segments[1].text = "how old are you?".into();
    let tokens = faulty
        .tensors
        .get_mut(&Key::segment(Stage::LlmTokens, 0))
        .unwrap();
    let mut ids = tokens.as_i64().unwrap().to_vec();
    ids.remove(2);
    *tokens = parity::array::Array::ids(ids);
    made_up::report(&golden, &isolated, &cascaded, None)
}

#[test]
fn the_page_opens_without_errors_and_requests_nothing_from_outside() {
    let Some(mut page) = Page::open(&report(), "") else {
        return;
    };
    for case in ["first", "second"] {
        page.browser
            .value(&format!("location.hash = '#case/{case}'"));
        page.browser.wait_for(&format!(
            "!document.getElementById('case/{case}').querySelector('.play').disabled"
        ));
    }
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
    let outside = |url: &String| {
        let inside = [page.address.as_str(), "data:", "blob:", "about:"];
        !inside.iter().any(|prefix| url.starts_with(prefix))
    };
    let asked = page.browser.requests();
    assert!(
        asked.iter().any(|url| url.starts_with(&page.address)),
        "nothing was watched"
    );
    assert_eq!(
        asked.into_iter().filter(outside).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn filters_and_the_search_narrow_the_matrix_and_stand_in_the_address() {
    let Some(mut page) = Page::open(&report(), "") else {
        return;
    };
    assert_eq!(page.rows(), ["first", "second"]);
    page.browser.click("input[value=failed]");
    assert_eq!(
        (page.rows(), page.hash()),
        (vec!["second".into()], "#?show=failed".into())
    );
    for none in ["missing", "damaged"] {
        page.browser.click(&format!("input[value={none}]"));
        assert_eq!(page.rows(), Vec::<String>::new());
    }
    page.browser.click("input[value=passed]");
    assert_eq!(page.rows(), ["first"]);
    page.browser.click("input[value=stale]");
    assert_eq!(page.rows(), Vec::<String>::new());
    page.browser.click("input[value=all]");
    page.browser.click("input[type=search]");
    page.browser.press(&["s", "e", "c"]);
    assert_eq!(
        (page.rows(), page.hash()),
        (vec!["second".into()], "#?q=sec".into())
    );
    assert_eq!(
        page.browser.value("document.querySelector('.shown').value"),
        "1 of 2 cases"
    );
}

#[test]
fn everything_can_be_reached_by_keys() {
    let Some(mut page) = Page::open(&report(), "") else {
        return;
    };
    page.browser.press(&["f"]);
    assert_eq!(
        (page.rows(), page.hash()),
        (vec!["second".into()], "#?show=failed".into())
    );
    page.browser.press(&["f"; 6]);
    assert_eq!(page.rows(), ["first", "second"]);
    page.browser.press(&["j", "j", "l", "l"]);
    let focused = "document.activeElement.getAttribute('href')";
    assert_eq!(page.browser.value(focused), "#case/second/text.ids");
    page.browser.press(&["k", "Enter"]);
    page.browser
        .wait_for("location.hash === '#case/first/text.ids'");
    assert_eq!(page.case().as_deref(), Some("first"));
    page.browser.press(&["j"]);
    page.browser.wait_for("location.hash === '#case/second'");
    page.browser.press(&["Escape"]);
    page.browser.wait_for("location.hash === ''");
    assert_eq!(page.case(), None);
    page.browser.press(&["n"]);
    page.browser
        .wait_for("location.hash === '#case/second/text.normalized'");
    page.browser.press(&["?"]);
    assert_eq!(
        page.browser.value("document.querySelector('#help').open"),
        true
    );
    page.browser.press(&["Escape"]);
    page.browser
        .wait_for("!document.querySelector('#help').open");
    page.browser.press(&["/", "f", "i", "r"]);
    page.browser.wait_for("location.hash === '#?q=fir'");
    assert_eq!(page.rows(), ["first"]);
}

#[test]
fn the_players_play_and_switch_at_the_same_position() {
    let Some(mut page) = Page::open(&report(), "#case/second") else {
        return;
    };
    let section = "document.getElementById('case/second')";
    let audio = |side: &str| format!("{section}.querySelector('audio[data-side={side}]')");
    page.browser
        .wait_for(&format!("!{section}.querySelector('.play').disabled"));
    let length = format!("{}.duration", audio("reference"));
    page.browser
        .wait_for(&format!("Math.abs({length} - {SECONDS}) < 0.01"));
    page.browser.click("[id=\"case/second\"] .play");
    page.browser
        .wait_for(&format!("{}.currentTime > 0.2", audio("reference")));
    for (before, after) in [("reference", "candidate"), ("candidate", "residual")] {
        let (from, to) = (audio(before), audio(after));
        let jump = page.browser.value(&format!(
            "(() => {{ {section}.querySelector('input[value={after}]').click(); \
             return {to}.currentTime - {from}.currentTime; }})()"
        ));
        assert!(jump.as_f64().unwrap().abs() < 0.1, "{jump}");
        page.browser
            .wait_for(&format!("!{to}.paused && {from}.paused"));
        let now = page.browser.value(&format!("{to}.currentTime"));
        page.browser
            .wait_for(&format!("{to}.currentTime > {now} + 0.05"));
    }
    page.browser.press(&["p"]);
    page.browser
        .wait_for(&format!("{}.paused", audio("residual")));
    let at = page
        .browser
        .value(&format!("{}.currentTime", audio("residual")));
    page.browser.press(&["1"]);
    assert_eq!(
        page.browser
            .value(&format!("{}.currentTime", audio("reference"))),
        at
    );
    // The candidate is a tenth too loud: what is left of the largest sample is made half of full scale.
    let gain = page
        .browser
        .value(&format!("{section}.querySelector('.gain').textContent"));
    assert!(gain.as_str().unwrap().ends_with(" dB louder)"), "{gain}");
}

#[test]
fn the_waveforms_are_drawn_and_can_be_zoomed_into() {
    let Some(mut page) = Page::open(&report(), "#case/second") else {
        return;
    };
    let section = "document.getElementById('case/second')";
    page.browser
        .wait_for(&format!("!{section}.querySelector('.play').disabled"));
    let picture = format!("{section}.querySelector('canvas').toDataURL()");
    page.browser.wait_for(&format!(
        "new Set({section}.querySelector('canvas').getContext('2d').getImageData(0, 0, 600, 200).data).size > 8"
    ));
    let whole = page.browser.value(&picture);
    page.browser.click("[id=\"case/second\"] [data-zoom=\"2\"]");
    page.browser.wait_for(&format!("{picture} !== {whole}"));
    page.browser.click("[id=\"case/second\"] [data-zoom=\"0\"]");
    page.browser.wait_for(&format!("{picture} === {whole}"));
}

#[test]
fn a_line_on_the_mels_shows_what_is_heard_and_a_click_moves_it() {
    let Some(mut page) = Page::open(&report(), "#case/first") else {
        return;
    };
    let section = "document.getElementById('case/first')";
    page.browser
        .wait_for(&format!("!{section}.querySelector('.play').disabled"));
    let line = format!("{section}.querySelector('.timed .cursor')");
    page.browser
        .wait_for(&format!("{line}.style.left === '0%' && !{line}.hidden"));
    page.browser.click("[id=\"case/first\"] .timed img");
    // In the middle of 12 frames of 20 ms.
    page.browser.wait_for(&format!(
        "Math.abs(parseFloat({line}.style.left) - 50) < 2 && \
         {section}.querySelector('.time').value.startsWith('0.12 ')"
    ));
    let axis = format!("{section}.querySelector('.axis').innerText.split(/\\s+/).join(' ')");
    assert_eq!(page.browser.value(&axis), "0 0.05 0.1 0.15 0.2");
}

#[test]
fn the_case_closest_to_a_limit_comes_first_on_request() {
    let Some(mut page) = Page::open(&report(), "") else {
        return;
    };
    assert_eq!(page.rows(), ["first", "second"]);
    page.browser.click("input[name=tight]");
    assert_eq!(page.rows(), ["second", "first"]);
    assert_eq!(page.hash(), "#?sort=headroom");
    page.browser.click("input[name=tight]");
    assert_eq!(page.rows(), ["first", "second"]);
}

#[test]
fn the_diff_of_a_planted_fault_is_on_screen() {
    let Some(mut page) = Page::open(&report(), "") else {
        return;
    };
    let finding = page
        .browser
        .value("document.querySelector('.findings li').innerText");
    let finding = finding.as_str().unwrap();
    assert!(
        finding.contains("text.normalized introduced the error (isolated) in 1 case")
            && finding.contains("second text.normalized"),
        "{finding}"
    );
    page.browser.click(".findings a");
    page.browser
        .wait_for("location.hash === '#case/second/text.normalized'");
    let seen = |page: &mut Page, selector: &str| {
        let texts = format!(
            "[...document.querySelectorAll({selector:?})].filter(e => e.checkVisibility()).map(e => e.textContent).join('|')"
        );
        page.browser.value(&texts).as_str().unwrap().to_owned()
    };
    assert_eq!(seen(&mut page, ".texts ins"), "old ");
    let golden = made_up::golden();
    let tokens = &golden.cases["second"].tensors[&Key::segment(Stage::LlmTokens, 0)];
    let removed = tokens.as_i64().unwrap()[2];
    assert_eq!(
        seen(&mut page, ".columns td.reference"),
        format!("{removed}|−|")
    );
    assert_eq!(
        seen(&mut page, "details.first summary em"),
        "first to introduce an error"
    );
    assert_eq!(
        page.browser
            .value("document.querySelector('details.first').open"),
        true
    );
}

#[test]
fn a_link_restores_what_was_seen() {
    let Some(mut page) = Page::open(&report(), "#case/second/flow.mu?show=failed&q=zero") else {
        return;
    };
    assert_eq!(page.case().as_deref(), Some("second"));
    assert_eq!(
        page.browser
            .value("document.getElementById('case/second/flow.mu').open"),
        true
    );
    page.browser.press(&["Escape"]);
    page.browser
        .wait_for("location.hash === '#?show=failed&q=zero'");
    assert_eq!(page.rows(), ["second"]);
    assert_eq!(
        page.browser
            .value("document.querySelector('[type=search]').value"),
        "zero"
    );
    page.browser.value("history.back()");
    page.browser
        .wait_for("location.hash.startsWith('#case/second')");
    assert_eq!(page.case().as_deref(), Some("second"));
}

#[test]
fn every_control_has_a_name_and_a_phone_scrolls_in_one_direction_only() {
    let Some(mut page) = Page::open(&report(), "") else {
        return;
    };
    let phone = serde_json::json!({
        "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true,
    });
    page.browser
        .call("Emulation.setDeviceMetricsOverride", phone);
    for place in ["", "case/first", "case/second"] {
        page.browser.value(&format!("location.hash = '{place}'"));
        page.browser
            .wait_for("document.documentElement.scrollWidth <= 390");
        let tree = page
            .browser
            .call("Accessibility.getFullAXTree", serde_json::json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let roles = [
            "button",
            "radio",
            "link",
            "searchbox",
            "slider",
            "image",
            "region",
            "dialog",
        ];
        let (mut named, mut nameless) = (0, Vec::new());
        for node in nodes.iter().filter(|n| n["ignored"] == false) {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            if roles.contains(&role) {
                let name = node["name"]["value"].as_str().unwrap_or_default();
                named += usize::from(!name.trim().is_empty());
                nameless.extend(name.trim().is_empty().then_some(role));
            }
        }
        assert_eq!(nameless, Vec::<&str>::new(), "{place}");
        assert!(named > 10, "{named}");
    }
}
