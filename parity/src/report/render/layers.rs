use std::fmt::Write as _;

use minijinja::context;

use crate::format::measured;
use crate::judge::Verdict;
use crate::layers::{LayerOutcome, LayerReport, NetworkLayers};
use crate::metric::Value;
use crate::report::model::Report;

/// Every layer of every network in the order of computation, and the first one that departs.
pub fn layers_table(report: &LayerReport) -> String {
    let mut out = String::new();
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for network in &report.networks {
        let _ = writeln!(
            out,
            "layers of the {}, case {}:",
            network.network, network.case
        );
        let names = network.layers.iter().map(|l| l.key.to_string().len());
        let width = names.max().unwrap_or(0);
        for layer in &network.layers {
            row(&mut out, layer, width);
        }
        let _ = writeln!(out, "{}\n", conclusion(network));
    }
    out
}

/// The same for the page.
pub(super) fn layers_view(report: &Report) -> Option<minijinja::Value> {
    let layers = report.layers.as_ref()?;
    let row = |layer: &LayerOutcome| {
        let number = |value: Option<Value>| measured(value.map(|v| v.0));
        context! {
            key => layer.key.to_string(),
            error => number(layer.nmse_db),
            multiple => number(layer.multiple),
            limit => number(layer.limit),
            verdict => layer.verdict.name(),
            reason => layer.reason,
        }
    };
    let network = |network: &NetworkLayers| {
        context! {
            name => network.network.name(),
            case => network.case,
            first => network.first.as_ref().map(ToString::to_string),
            rows => network.layers.iter().map(row).collect::<Vec<_>>(),
        }
    };
    let networks: Vec<_> = layers.networks.iter().map(network).collect();
    Some(context! { notes => layers.notes, networks })
}

fn row(out: &mut String, layer: &LayerOutcome, width: usize) {
    let name = layer.key.to_string();
    let error = measured(layer.nmse_db.map(|v| v.0));
    let multiple = measured(layer.multiple.map(|v| v.0));
    let verdict = match layer.verdict {
        Verdict::Pass => "",
        verdict => verdict.name(),
    };
    let line = format!("  {name:width$} {error:>8} dB {multiple:>9}x  {verdict}");
    out.push_str(line.trim_end());
    if let Some(reason) = &layer.reason {
        let _ = write!(out, ": {reason}");
    }
    out.push('\n');
}

fn conclusion(network: &NetworkLayers) -> String {
    match &network.first {
        Some(key) => format!("first layer that departs: {key}"),
        None => format!("no layer of the {} departs", network.network),
    }
}
