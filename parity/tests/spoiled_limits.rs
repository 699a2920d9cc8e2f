//! Limits that were spoiled: refused, or red, each for the right reason.

use parity::exit::Exit;
use parity::judge::{Evaluation, Tolerances, Verdict};
use parity::report::{Detail, Report, Rest, build_report, html, junit, table};
use parity::stage::Feed;

use crate::made_up;

const LIMIT: &str = "[[limit]]\nstages = [\"flow.*\"]\nmetric = \"nmse_db\"\nat_most = -100.0\n\
                     reason = \"r\"\n";
const SNR: &str = "[[limit]]\nstages = [\"speech\"]\nmetric = \"snr\"\nat_least = 60.0\n\
                   floor = { metric = \"noise_ratio\", at_most = 4.0 }\nreason = \"r\"\n";

fn load(text: &str) -> Result<Tolerances, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tolerances.toml");
    std::fs::write(&path, text).unwrap();
    Tolerances::load(&path).map_err(|e| {
        let message = e.to_string();
        assert!(message.contains("tolerances.toml"), "{message}");
        message
    })
}

#[test]
fn a_limit_for_an_engine_of_the_users_own_counts_for_that_one_alone() {
    let own = LIMIT.replace("-100.0", "-40.0") + "candidate = \"my-port\"\n";
    let error = load(&format!("version = 1\n{LIMIT}{own}")).unwrap_err();
    assert!(error.contains("listed in `engines`"), "{error}");
    let limits = load(&format!(
        "version = 1\nengines = [\"my-port\"]\n{LIMIT}{own}"
    ));
    assert_eq!(limits.unwrap().limits.len(), 2);
}

#[test]
fn limits_that_can_refuse_nothing_or_apply_nowhere_are_refused() {
    let metric = |name: &str, stage: &str, bound: &str| {
        format!("[[limit]]\nstages = [\"{stage}\"]\nmetric = \"{name}\"\n{bound}\nreason = \"r\"\n")
    };
    let with = |from: &str, to: &str| LIMIT.replace(from, to);
    let snr = |from: &str, to: &str| SNR.replace(from, to);
    let condition = |line: &str| format!("{LIMIT}{line}\n");
    let refused = [
        // Bounds.
        (with("-100.0", "inf"), "infinite"),
        (with("-100.0", "-inf"), "infinite"),
        (with("-100.0", "nan"), "not a number"),
        (with("-100.0", "0.0"), "as large as the signal"),
        (with("-100.0", "1e300"), "as large as the signal"),
        (with("-100.0", "1e999"), "overflowed"),
        (with("-100.0", "\"-100\""), "expected f64"),
        (with("at_most", "at_least"), "needs at_most"),
        (condition("at_least = -200.0"), "no other bound"),
        (
            metric("max_abs", "flow.mu", "at_most = -1.0"),
            "out of the range",
        ),
        (
            metric("edit_distance", "llm.tokens", "at_most = -1"),
            "out of the range",
        ),
        (
            metric("cosine_min", "flow.mu", "at_least = 1.5"),
            "out of the range",
        ),
        (
            metric("cosine_min", "flow.mu", "at_least = -1.0"),
            "allows every",
        ),
        (
            metric("same_top1", "llm.logits", "at_least = 0.0"),
            "allows every",
        ),
        (
            metric("f0_gross", "speech", "at_most = 1.0"),
            "allows every",
        ),
        (
            metric("lag", "speech", "at_most = -3.0"),
            "out of the range",
        ),
        (
            metric("norm_ratio_min", "flow.mu", "at_least = 0.0"),
            "allows every",
        ),
        (
            metric("norm_ratio_max", "flow.mu", "at_most = 0.5"),
            "which is best",
        ),
        (snr("60.0", "0.0"), "as large as the signal"),
        (snr("60.0", "-inf"), "infinite"),
        // Floors.
        (snr("at_most = 4.0 }", "at_most = inf }"), "infinite"),
        (snr("at_most = 4.0 }", "at_most = nan }"), "not a number"),
        (
            snr("at_most = 4.0 }", "at_most = -4.0 }"),
            "out of the range",
        ),
        (
            snr("noise_ratio", "cosine_min"),
            "floor cannot be cosine_min",
        ),
        (snr("noise_ratio", "f0_error"), "blind to gain"),
        (snr("noise_ratio", "kl_mean"), "floor cannot be kl_mean"),
        (
            snr("\"noise_ratio\"", "\"edit_distance\""),
            "not measured in speech",
        ),
        (
            snr("\"snr\"\nat_least = 60.0", "\"noise_ratio\"\nat_most = 2.0"),
            "own metric",
        ),
        (snr("at_most = 4.0 }", "at_least = 4.0 }"), "unknown field"),
        // Stages, metrics and conditions.
        (with("flow.*", "flaw.*"), "unknown stage"),
        (with("[\"flow.*\"]", "[]"), "names no stage"),
        (with("nmse_db", "cosine"), "unknown metric"),
        (with("nmse_db", "edit_distance"), "not measured in flow.mu"),
        (
            condition("device = \"tpu\""),
            "no recording has the device `tpu`",
        ),
        (
            condition("device = \"cuda:0\""),
            "no recording has the device `cuda:0`",
        ),
        (
            condition("precision = \"f64\""),
            "no recording has the precision",
        ),
        (
            condition("candidate = \"natve\""),
            "no recording has the candidate",
        ),
        (
            condition("reference = \"pyton\""),
            "no recording has the reference",
        ),
        (condition("feed = \"both\""), "unknown variant `both`"),
        // The file.
        (with("\"r\"", "\" \""), "no reason"),
        (with("reason = \"r\"\n", ""), "missing field `reason`"),
        (format!("{LIMIT}at_most = -1.0\n"), "duplicate key"),
        (format!("{LIMIT}atmost = -1.0\n"), "unknown field"),
        (format!("{LIMIT}{LIMIT}"), "never counts"),
        (
            format!(
                "{LIMIT}{}",
                LIMIT.replace("-100.0", "-1.0").replace("flow.*", "*")
            ),
            "never counts",
        ),
        (
            format!("{LIMIT}feed = \"isolated\"\n{}", with("-100.0", "-1.0")),
            "never counts",
        ),
        (String::new(), "nothing can be judged"),
    ];
    let mut count = 0;
    for (limits, reason) in refused {
        let message = load(&format!("version = 1\n{limits}")).unwrap_err();
        assert!(
            message.contains(reason),
            "{reason:?} is not in {message}\n{limits}"
        );
        count += 1;
    }
    for (file, reason) in [
        ("", "missing field `version`"),
        (LIMIT, "missing field `version`"),
        ("version = 2\n", "version 2 is not supported"),
        ("version = -1\n", "version"),
        ("version = \"1\"\n", "expected u32"),
        ("version = 1\nlimit = 3\n", "expected a sequence"),
    ] {
        let message = load(file).unwrap_err();
        assert!(message.contains(reason), "{reason:?} is not in {message}");
        count += 1;
    }
    assert!(count >= 50, "{count}");
    load(&format!("version = 1\n{LIMIT}{SNR}")).unwrap();
}

#[cfg(unix)]
#[test]
fn limits_that_never_end_are_refused() {
    let message = Tolerances::load("/dev/zero").unwrap_err().to_string();
    assert!(message.contains("larger than"), "{message}");
}

/// What is reported of a candidate that equals its golden, by these limits.
fn judged_by(tolerances: &Tolerances) -> Report {
    let golden = made_up::golden();
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    let evaluation = Evaluation {
        golden: &golden,
        isolated: Some(&isolated),
        cascaded: Some(&made_up::recording("native")),
        expected: None,
        tolerances,
        anyway: false,
    };
    build_report(&evaluation, None, |case| case.to_owned()).unwrap()
}

#[test]
fn a_run_by_limits_that_let_gross_faults_through_fails_and_says_so() {
    let good = judged_by(&made_up::tolerances());
    assert_eq!((good.status(), good.problems()), (Exit::Parity, vec![]));
    let planted = &good.limits.as_ref().unwrap().faults;
    assert!(planted.len() > 100 && planted.iter().all(|f| f.caught));

    type Spoil = fn(&mut Tolerances);
    let wide: [(Spoil, &str); 5] = [
        (
            |t| {
                t.limits
                    .iter_mut()
                    .for_each(|l| l.at_most = l.at_most.map(|_| 1e12))
            },
            "text.normalized isolated, empty",
        ),
        (
            |t| {
                t.limits
                    .retain(|l| l.metric.to_string() != "noise_ratio_p999");
                let all = t.limits.iter_mut();
                let noise = all.filter(|l| l.metric.to_string() == "noise_ratio");
                noise.for_each(|l| l.at_most = Some(1e7));
            },
            "all zero",
        ),
        (
            |t| {
                let all = t.limits.iter_mut();
                let exact = all.filter(|l| l.metric.to_string() == "edit_distance");
                exact.for_each(|l| l.at_most = Some(1.0));
            },
            "the last one changed",
        ),
        (
            |t| {
                let all = t.limits.iter_mut().filter_map(|l| l.floor.as_mut());
                all.for_each(|floor| floor.at_most = 1e9);
            },
            "all zero",
        ),
        (
            |t| {
                let mut wider = t.limits.clone();
                for limit in &mut wider {
                    limit.device = Some("cpu".into());
                    limit.at_most = limit.at_most.map(|_| 1e12);
                }
                t.limits.extend(wider);
            },
            "the last one changed",
        ),
    ];
    for (spoil, words) in wide {
        let mut tolerances = made_up::tolerances();
        spoil(&mut tolerances);
        let report = judged_by(&tolerances);
        assert_eq!((report.status(), report.exit), (Exit::Failed, 2));
        let problems = report.problems();
        assert!(problems[0].contains("gross faults through"), "{problems:?}");
        let let_through: Vec<_> = report.limits.as_ref().unwrap().let_through().collect();
        let said = format!("{let_through:?} {problems:?}");
        assert!(said.contains(words), "{words:?} is not in {said}");
        let said = table(&report, Detail::Quiet, Rest::Options("--html"));
        assert!(said.contains("gross faults through"), "{said}");
        assert!(junit(&report).unwrap().contains("gross faults through"));
        assert!(html(&report).unwrap().contains("gross faults through"));
    }
}

#[test]
fn limits_for_one_device_alone_leave_every_other_device_without_a_green_cell() {
    let mut tolerances = made_up::tolerances();
    for limit in &mut tolerances.limits {
        limit.device = Some("cuda".into());
    }
    let report = judged_by(&tolerances);
    assert_eq!(report.status(), Exit::Failed);
    assert_eq!(report.summary.cells(Verdict::Pass), 0);
}
