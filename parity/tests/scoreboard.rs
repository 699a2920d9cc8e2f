//! Several engines over the same cases.

use parity::recording::Recording;
use parity::report::{Report, Scoreboard, scoreboard_html, scoreboard_table};
use parity::stage::{Feed, Key, Stage};

use crate::made_up;

fn report(engine: &str, change: impl FnOnce(&mut Recording)) -> Report {
    // One golden for all of them, whatever the clock says while a test makes it up.
    let mut golden = made_up::golden();
    golden.manifest.recorded_at = "2026-01-01T00:00:00Z".into();
    let mut isolated = made_up::recording(engine);
    isolated.manifest.feed = Feed::Isolated;
    change(&mut isolated);
    made_up::report(&golden, &isolated, &made_up::recording(engine), None)
}

/// An engine without an F0, and with a louder mel in the second case.
fn port() -> Report {
    report("port", |isolated| {
        for case in isolated.cases.values_mut() {
            case.tensors.retain(|key, _| key.stage != Stage::VocoderF0);
        }
        let case = isolated.cases.get_mut("second").unwrap();
        let mel = case.tensors.get_mut(&Key::segment(Stage::FlowMel, 0));
        let mel = mel.unwrap();
        let louder = mel.as_f32().unwrap().iter().map(|x| x * 1.5).collect();
        *mel = parity::array::Array::f32(mel.shape().to_vec(), louder).unwrap();
    })
}

#[test]
fn each_engine_is_counted_where_it_was_held_and_told_what_is_wrong() {
    let board = Scoreboard::of(&[report("native", |_| ()), port()]).unwrap();
    let row = |stage| board.rows.iter().find(|r| r.stage == stage).unwrap();
    let counts = |stage| {
        let held = row(stage).held.iter();
        held.map(|h| (h.passed, h.failed, h.missing))
            .collect::<Vec<_>>()
    };
    // Native isolated, native cascaded, the port isolated, the port cascaded.
    assert_eq!(
        counts(Stage::FlowMel),
        [(2, 0, 0), (2, 0, 0), (1, 1, 0), (2, 0, 0)]
    );
    assert_eq!(counts(Stage::VocoderF0)[2], (0, 0, 2));
    let [native, port] = &board.wrong[..] else {
        panic!("{:?}", board.wrong)
    };
    assert_eq!(native.stages, native.right);
    assert_eq!(port.right, port.stages - 1);
    assert!(port.lines[0].contains("begins at flow.mel"), "{port:?}");

    let table = scoreboard_table(&board);
    assert!(table.contains("| ✗ 1/2"), "{table}");
    let widths: Vec<_> = table
        .lines()
        .take_while(|l| l.starts_with('|'))
        .map(|l| l.chars().count())
        .collect();
    assert!(widths.iter().all(|w| *w == widths[0]), "{table}");
    let page = scoreboard_html(&board).unwrap();
    assert!(page.contains("✗ 1&#x2f;2") && page.contains("begins at flow.mel"));
}

#[test]
fn engines_that_were_held_to_something_else_do_not_stand_side_by_side() {
    let refused = |change: fn(&mut Report)| {
        let mut other = port();
        change(&mut other);
        let reports = [report("native", |_| ()), other];
        Scoreboard::of(&reports).unwrap_err().to_string()
    };
    assert!(
        refused(|r| r.golden.model = "x".into()).contains("report 2 is held to another golden")
    );
    assert!(
        refused(|r| drop(r.cases.remove(0))).contains("other cases than report 1, such as first")
    );
    assert!(refused(|r| r.limits = None).contains("other limits"));
    assert!(Scoreboard::of(&[]).is_err());
}
