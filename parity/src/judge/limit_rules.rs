//! What limits must be like: each can refuse something, and applies somewhere.

use native::device::DeviceName;
use native::precision::Precisions;

use super::tolerances::{Floor, Limit, Tolerances, VERSION};
use crate::metric::{Direction, Metric};
use crate::stage::Stage;

/// The engines whose recordings there are, beside those that a file of limits names.
const ENGINES: [&str; 2] = ["python", "native"];

/// The first rule that a file of limits breaks.
///
/// # Errors
/// What is wrong with which limit, and the way out.
pub(super) fn check(tolerances: &Tolerances) -> Result<(), String> {
    let version = tolerances.version;
    if version != VERSION {
        return Err(format!(
            "version {version} is not supported (expected {VERSION})"
        ));
    }
    if tolerances.limits.is_empty() {
        return Err("it has no [[limit]]: nothing can be judged by it".into());
    }
    for (at, limit) in tolerances.limits.iter().enumerate() {
        stages(limit)?;
        bounds(limit)?;
        limit
            .floor
            .map_or(Ok(()), |floor| check_floor(limit, floor))?;
        conditions(limit, &tolerances.engines)?;
        if limit.reason.trim().is_empty() {
            return Err(format!("{} has no reason", name(limit)));
        }
        let later = &tolerances.limits[at + 1..];
        if later.iter().any(|other| replaces(other, limit)) {
            return Err(format!(
                "{} never counts: a later one of the same stages and conditions replaces it",
                name(limit)
            ));
        }
    }
    Ok(())
}

fn name(limit: &Limit) -> String {
    format!(
        "a limit of {} for {}",
        limit.metric,
        limit.stages.join(", ")
    )
}

fn stages(limit: &Limit) -> Result<(), String> {
    let metric = limit.metric;
    if limit.stages.is_empty() {
        return Err(format!("a limit of {metric} names no stage"));
    }
    let names_none =
        |pattern: &&String| !Stage::all().any(|s| super::tolerances::matches(pattern, s));
    if let Some(name) = limit.stages.iter().find(names_none) {
        return Err(format!("unknown stage `{name}` in a limit of {metric}"));
    }
    let mut named = Stage::all().filter(|s| limit.names(*s));
    match named.find(|s| !metric.is_measured_in(s.kind())) {
        Some(stage) => Err(format!(
            "{metric} is not measured in {stage}; name the stages it is meant for"
        )),
        None => Ok(()),
    }
}

fn bounds(limit: &Limit) -> Result<(), String> {
    let metric = limit.metric;
    let (most, least) = (limit.at_most, limit.at_least);
    let (needed, given) = match metric.definition().direction {
        Direction::Lower => ("at_most", most.is_some() && least.is_none()),
        Direction::Higher => ("at_least", least.is_some() && most.is_none()),
        Direction::One => ("at_most or at_least", most.or(least).is_some()),
    };
    if !given {
        return Err(format!(
            "a limit of {metric} needs {needed}, and no other bound"
        ));
    }
    for (bound, is_most) in [(most, true), (least, false)] {
        if let Some(fault) = bound.and_then(|b| bound_fault(metric, b, is_most)) {
            return Err(format!("{}: {fault}", name(limit)));
        }
    }
    Ok(())
}

/// Why no limit of `metric` can have this bound.
fn bound_fault(metric: Metric, bound: f64, is_most: bool) -> Option<String> {
    let definition = metric.definition();
    let (mut low, high) = definition.range;
    // A lag is judged by its size.
    if metric == Metric::Lag {
        low = 0.0;
    }
    if bound.is_nan() {
        return Some("its bound is not a number".into());
    }
    if bound.is_infinite() {
        return Some("its bound is infinite, so that it allows everything or nothing".into());
    }
    if !(low..=high).contains(&bound) {
        return Some(format!(
            "{bound} is out of the range of {metric}, {low} to {high}"
        ));
    }
    let allows_everything = match definition.direction {
        Direction::Lower => bound == high,
        Direction::Higher => bound == low,
        Direction::One if is_most => false,
        Direction::One => bound == low,
    };
    if allows_everything {
        return Some(format!("{bound} allows every {metric} that there is"));
    }
    let excludes_equality = match definition.direction {
        Direction::One if is_most => bound < 1.0,
        Direction::One => bound > 1.0,
        Direction::Lower | Direction::Higher => false,
    };
    if excludes_equality {
        return Some(format!("{bound} refuses a ratio of 1, which is best"));
    }
    let as_large_as_the_signal = match metric {
        Metric::NmseDb => bound >= 0.0,
        Metric::Snr | Metric::SnrAligned | Metric::SiSdr => bound <= 0.0,
        _ => false,
    };
    as_large_as_the_signal
        .then(|| format!("{bound} dB allows an error that is as large as the signal"))
}

/// A floor excuses a broken limit, so it must be an error that notices every change.
fn check_floor(limit: &Limit, floor: Floor) -> Result<(), String> {
    let definition = floor.metric.definition();
    let fault = if let Some(fault) = bound_fault(floor.metric, floor.at_most, true) {
        fault
    } else if definition.direction != Direction::Lower {
        "less of it is not a smaller error".into()
    } else if definition.gain_blind {
        "it is blind to gain".into()
    } else if floor.metric == limit.metric {
        "it is the limit's own metric".into()
    } else if let Some(stage) = Stage::all()
        .filter(|s| limit.names(*s))
        .find(|s| !floor.metric.is_measured_in(s.kind()))
    {
        format!("it is not measured in {stage}")
    } else {
        return Ok(());
    };
    Err(format!(
        "{}: its floor cannot be {}: {fault}",
        name(limit),
        floor.metric
    ))
}

fn conditions(limit: &Limit, engines: &[String]) -> Result<(), String> {
    let never = |what: &str, value: &str, known: &str| {
        Err(format!(
            "{} never applies: no recording has the {what} `{value}` (expected {known})",
            name(limit)
        ))
    };
    for (what, engine) in [
        ("reference", &limit.reference),
        ("candidate", &limit.candidate),
    ] {
        match engine.as_deref() {
            Some(engine) if !ENGINES.contains(&engine) && !engines.iter().any(|e| e == engine) => {
                let known = format!("{}, or one listed in `engines`", ENGINES.join(" or "));
                return never(what, engine, &known);
            }
            _ => {}
        }
    }
    if let Some(device) = limit.device.as_deref() {
        let kind = device.parse::<DeviceName>().map(DeviceName::kind);
        if kind.as_ref() != Ok(&device) {
            return never("device", device, "cpu, cuda or metal");
        }
    }
    if let Some(precision) = limit.precision.as_deref() {
        let written = precision.parse::<Precisions>().map(|p| p.to_string());
        if written.as_deref() != Ok(precision) {
            return never(
                "precision",
                precision,
                "one as manifests write it, such as f32",
            );
        }
    }
    Ok(())
}

/// Whether `later` applies wherever `limit` does.
fn replaces(later: &Limit, limit: &Limit) -> bool {
    fn covers<T: PartialEq>(later: &Option<T>, limit: &Option<T>) -> bool {
        later.is_none() || later == limit
    }
    later.metric == limit.metric
        && later.unmeasured_noise == limit.unmeasured_noise
        && covers(&later.feed, &limit.feed)
        && covers(&later.reference, &limit.reference)
        && covers(&later.candidate, &limit.candidate)
        && covers(&later.device, &limit.device)
        && covers(&later.precision, &limit.precision)
        && Stage::all().all(|s| !limit.names(s) || later.names(s))
}
