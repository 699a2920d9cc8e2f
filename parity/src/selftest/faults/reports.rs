use serde_json::Value;

use crate::exit::Exit;
use crate::selftest::fault::{Expected, Fault};

const INCOMPLETE: Expected = Expected::Exit(Exit::Incomplete);

/// Changes every object below a value.
fn everywhere(value: &mut Value, change: &impl Fn(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| everywhere(v, change)),
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|v| everywhere(v, change));
        }
        _ => {}
    }
}

/// Sets a field wherever it stands.
fn set_all(value: &mut Value, field: &str, new: &Value) {
    everywhere(value, &|object| {
        if let Some(old) = object.get_mut(field) {
            *old = new.clone();
        }
    });
}

/// Keeps the members of a list that are not called anything but a pass.
fn keep_green(list: Option<&mut Value>, verdict: &str) {
    if let Some(Value::Array(list)) = list {
        let green = |v: &Value| v.pointer(verdict).is_none_or(|v| v == "pass");
        list.retain(green);
    }
}

pub(super) const FAULTS: &[Fault] = &[
    Fault::shards(Expected::Parity, "nothing, in two shards", |_| ()),
    Fault::shards(INCOMPLETE, "the second of two shards missing", |r| {
        r.truncate(1)
    }),
    Fault::shards(INCOMPLETE, "the first of two shards missing", |r| {
        r.remove(0);
    }),
    Fault::shards(INCOMPLETE, "a shard that was cut off", |r| {
        r[1].cases.clear()
    }),
    Fault::shards(
        Expected::Refused("give each once"),
        "a shard given twice",
        |r| r[1] = r[0].clone(),
    ),
    Fault::shards(
        Expected::Refused("belongs to another shard"),
        "a case of another shard",
        |r| {
            let case = r[0].cases.remove(0);
            r[1].cases.push(case);
        },
    ),
    Fault::shards(
        Expected::Refused("limits differs"),
        "a shard by other limits",
        |r| r[1].limits.iter_mut().for_each(|l| l.sha256.clear()),
    ),
    Fault::shards(
        Expected::Refused("golden differs"),
        "a shard of another golden",
        |r| r[1].golden.commit = None,
    ),
    Fault::shards(
        Expected::Refused("candidate differs"),
        "a shard of another candidate",
        |r| r[1].candidates[0].precision = "f16".into(),
    ),
    Fault::shards(
        Expected::Refused("program version differs"),
        "a shard by another version",
        |r| r[1].parity_version.push('x'),
    ),
    Fault::shards(
        Expected::Refused("list of cases differs"),
        "a shard of other cases",
        |r| r[1].run_cases.push("another".into()),
    ),
    Fault::shards(
        Expected::Refused("number of shards differs"),
        "a shard of three",
        |r| r[1].shard.iter_mut().for_each(|s| s.of = 3),
    ),
    Fault::json(Exit::Failed, "a report whose verdict was edited", |json| {
        json["verdict"] = "parity".into();
        json["exit"] = 0.into();
        json["summary"] = serde_json::json!({
            "cases": {"pass": 2}, "cells": {"pass": 9}, "goldens_at_fault": 0,
        });
    }),
    Fault::json(
        Exit::Failed,
        "a report whose verdicts were all edited",
        |json| {
            set_all(json, "verdict", &"pass".into());
            set_all(json, "passed", &true.into());
            set_all(json, "first_introduced", &Value::Null);
        },
    ),
    Fault::json(Exit::Failed, "a report whose checks were edited", |json| {
        set_all(json, "verdict", &"pass".into());
        everywhere(json, &|object| {
            if object.contains_key("by_floor") {
                object.insert("value".into(), 0.into());
            }
        });
    }),
    Fault::json(
        Exit::Failed,
        "a report without the stages that failed",
        |json| {
            for case in json["cases"].as_array_mut().into_iter().flatten() {
                keep_green(case.pointer_mut("/outcome/stages"), "/cascaded/verdict");
                case["outcome"]["verdict"] = "pass".into();
            }
        },
    ),
    Fault::json(
        Exit::Incomplete,
        "a report without the case that failed",
        |json| {
            keep_green(json.get_mut("cases"), "/outcome/verdict");
        },
    ),
];
