//! Numbers and units as people read them.

use crate::metric::Metric;

/// A number for people: four digits, a true minus sign, and a symbol for infinity.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 {
            "∞".into()
        } else {
            "−∞".into()
        }
    } else if value == 0.0 {
        "0".into()
    } else if value == value.round() && size < 1e6 {
        minus(format!("{value:.0}"))
    } else if (1e-3..1e6).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        let text = format!("{value:.decimals$}");
        let trimmed = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        minus(trimmed.to_owned())
    } else {
        minus(format!("{value:.1e}"))
    }
}

fn minus(text: String) -> String {
    text.replace('-', "−")
}

/// The unit of a metric, with the space before it; nothing for bare numbers.
pub fn unit(metric: Metric) -> String {
    match metric.definition().unit {
        "" => String::new(),
        "x" => "×".into(),
        unit => format!(" {unit}"),
    }
}

/// A measured value, or a dash if it could not be measured.
pub fn measured(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let shown = [
            (0.0, "0"),
            (1.0, "1"),
            (-118.24, "−118.2"),
            (0.012345, "0.01235"),
            (4.0, "4"),
            (1234.567, "1235"),
            (3.2e-9, "3.2e−9"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
            (f64::NAN, "NaN"),
            (10.5, "10.5"),
        ];
        for (value, text) in shown {
            assert_eq!(number(value), text);
        }
    }
}
