use std::fmt::Write as _;

use super::folders::FolderComparison;
use super::sound_comparison::SoundComparison;
use crate::format::{measured, number, unit};
use crate::metric::Metric;
use crate::report::render::{item, line};

/// The metrics in the overview of several pairs.
pub(super) const OVERVIEW: [Metric; 9] = [
    Metric::DurationDifference,
    Metric::Snr,
    Metric::SiSdr,
    Metric::Lag,
    Metric::SnrAligned,
    Metric::StftDistance,
    Metric::MelCepstral,
    Metric::F0Error,
    Metric::VoicingError,
];

/// Column headings of [`OVERVIEW`], short enough for a terminal.
const HEADS: [&str; 9] = [
    "Δs", "SNR", "SI-SDR", "lag", "aligned", "STFT", "MCD", "F0 ct", "voicing",
];

/// The pairs as a table, then the files that could not be paired or read.
pub fn folders_table(compared: &FolderComparison) -> String {
    let name = |file: &str| {
        let path = std::path::Path::new(file);
        path.file_name()
            .map_or_else(|| file.to_owned(), |n| n.to_string_lossy().into_owned())
    };
    let names: Vec<_> = compared
        .pairs
        .iter()
        .map(|p| name(&p.reference.file))
        .collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    if !compared.pairs.is_empty() {
        let _ = write!(out, "{:width$} {:>7}", "", "s");
        for head in HEADS {
            let _ = write!(out, " {head:>7}");
        }
        out.push('\n');
    }
    for (pair, name) in compared.pairs.iter().zip(names) {
        let _ = write!(
            out,
            "{name:width$} {:>7}",
            number(pair.diff.reference.seconds)
        );
        for metric in OVERVIEW {
            let value = measured(pair.diff.measures.get(&metric).map(|v| v.0));
            let _ = write!(out, " {value:>7}");
        }
        out.push('\n');
    }
    for pair in &compared.pairs {
        for note in &pair.notes {
            let _ = writeln!(out, "{}: {note}", pair.reference.file);
        }
    }
    for line in &compared.unpaired {
        let _ = writeln!(out, "not compared: {line}");
    }
    for line in &compared.unreadable {
        let _ = writeln!(out, "not readable: {line}");
    }
    let _ = writeln!(
        out,
        "{} pair(s) compared, {} file(s) without a partner, {} not readable",
        compared.pairs.len(),
        compared.unpaired.len(),
        compared.unreadable.len()
    );
    out
}

/// Two sound files as a table.
pub fn comparison_table(comparison: &SoundComparison) -> String {
    let mut out = String::new();
    let (r, c) = (&comparison.diff.reference, &comparison.diff.candidate);
    for (name, side, levels) in [
        ("A", &comparison.reference, r),
        ("B", &comparison.candidate, c),
    ] {
        line(&mut out, &format!("{name}  {}", side.file));
        let _ = writeln!(
            out,
            "   {} Hz, {} channel{}, {}, {} s, RMS {}, peak {}, DC {}, {} clipped, {}% silent",
            side.rate,
            side.channels,
            if side.channels == 1 { "" } else { "s" },
            side.encoding,
            number(levels.seconds),
            number(levels.rms.0),
            number(levels.peak.0),
            number(levels.dc.0),
            levels.clipped,
            number((levels.silence * 100.0).round()),
        );
    }
    comparison.notes.iter().for_each(|n| item(&mut out, n));
    out.push('\n');
    for info in &comparison.metrics {
        let value = comparison
            .diff
            .measures
            .get(&info.metric)
            .map_or(f64::NAN, |v| v.0);
        let _ = writeln!(
            out,
            "{:<26} {}{}",
            info.label,
            number(value),
            unit(info.metric)
        );
    }
    out
}
