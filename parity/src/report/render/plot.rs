//! Curves as SVG. Each colour is a placeholder for a role; the style sheet sets the real ones for
//! light and dark themes.

use plotters::prelude::*;

use crate::format::number;

/// The role of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Role {
    /// The reference: a broad line.
    Reference,
    /// The candidate: a thin line over it.
    Candidate,
    /// The candidate under the other feed: a thin line.
    Other,
    /// A limit, or a level to hold against.
    Level,
    /// Values without a line between them.
    Dots,
}

impl Role {
    /// The placeholder colour and the width.
    fn style(self) -> ShapeStyle {
        let (code, width) = match self {
            Self::Reference => (1, 4),
            Self::Candidate => (2, 2),
            Self::Other => (3, 2),
            Self::Level => (4, 1),
            Self::Dots => (2, 1),
        };
        RGBColor(code, 0, 0).stroke_width(width)
    }
}

/// One curve, with gaps at values that are not finite.
pub(in crate::report) struct Curve {
    pub(in crate::report) role: Role,
    pub(in crate::report) points: Vec<(f64, f64)>,
}

/// The scale of the y axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
}

/// Curves with their axes.
pub(in crate::report) struct Plot<'a> {
    /// A description for screen readers.
    pub(in crate::report) words: &'a str,
    pub(in crate::report) x: &'a str,
    pub(in crate::report) y: &'a str,
    pub(in crate::report) scale: Scale,
    pub(in crate::report) curves: Vec<Curve>,
}

const SIZE: (u32, u32) = (460, 210);

impl Plot<'_> {
    /// The plot as an SVG element for a page. None if no value is finite.
    pub(in crate::report) fn svg(&self) -> Option<String> {
        let smallest = self
            .values()
            .map(|v| v.1)
            .filter(|&y| y > 0.0)
            .reduce(f64::min);
        let smallest = smallest.unwrap_or(1.0);
        // Zero has no logarithm and is drawn one decade below the smallest value.
        let height = |y: f64| match self.scale {
            Scale::Linear => y,
            Scale::Log => y.max(smallest / 10.0).log10(),
        };
        let x = range(self.values().map(|v| v.0), 0.0)?;
        let y = range(self.values().map(|v| height(v.1)), 0.05)?;
        let label = |y: &f64| match self.scale {
            Scale::Linear => number(*y),
            Scale::Log => number(10f64.powf(*y)),
        };
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .x_label_area_size(42)
                .y_label_area_size(92)
                .build_cartesian_2d(x.0..x.1, y.0..y.1)
                .ok()?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .y_labels(5)
                .x_labels(6)
                .x_desc(self.x)
                .y_desc(self.y)
                .x_label_formatter(&|x| number(*x))
                .y_label_formatter(&label)
                .label_style(("sans-serif", 16))
                .light_line_style(TRANSPARENT)
                .draw()
                .ok()?;
            for curve in &self.curves {
                let style = curve.role.style();
                if curve.role == Role::Dots {
                    let dots = curve.points.iter().filter(|p| p.1.is_finite());
                    let dots = dots.map(|&(x, y)| Circle::new((x, height(y)), 4, style));
                    chart.draw_series(dots).ok()?;
                    continue;
                }
                for run in curve.points.split(|p| !p.1.is_finite()) {
                    let points = run.iter().map(|&(x, y)| (x, height(y)));
                    chart.draw_series(LineSeries::new(points, style)).ok()?;
                }
            }
            area.present().ok()?;
        }
        Some(for_a_page(&svg, self.words))
    }

    fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.curves.iter().flat_map(|c| c.points.iter().copied());
        points.filter(|p| p.1.is_finite())
    }
}

/// From the smallest to the largest value, with a margin of the share `room`.
fn range(values: impl Iterator<Item = f64>, room: f64) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    if low > high {
        None
    } else if high > low {
        let room = (high - low) * room;
        Some((low - room, high + room))
    } else {
        let around = low.abs().max(1.0) * 0.1;
        Some((low - around, high + around))
    }
}

/// Drops the name space, which an SVG inside a page does not need, and adds an accessible name.
fn for_a_page(svg: &str, words: &str) -> String {
    let body = svg.find("viewBox").map_or("", |at| &svg[at..]);
    let body = body.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    let words = html_escape(words);
    format!("<svg class=\"plot\" role=\"img\" aria-label=\"{words}\" {body}")
}

fn html_escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(scale: Scale, points: &[(f64, f64)]) -> Option<String> {
        let curves = vec![Curve {
            role: Role::Reference,
            points: points.to_vec(),
        }];
        let words = "a \"word\" & <b>";
        Plot {
            words,
            x: "x",
            y: "y",
            scale,
            curves,
        }
        .svg()
    }

    #[test]
    fn a_plot_is_an_svg_that_names_itself_and_no_address() {
        let svg = plot(Scale::Linear, &[(0.0, 1.0), (1.0, 2.0), (2.0, 1.5)]).unwrap();
        assert!(svg.starts_with("<svg class=\"plot\" role=\"img\" aria-label=\"a &quot;word&quot; &amp; &lt;b>\" viewBox"));
        assert!(svg.trim_end().ends_with("</svg>") && !svg.contains("http"));
        assert_eq!(svg.matches("stroke=\"#010000\"").count(), 1);
    }

    #[test]
    fn a_gap_splits_the_line() {
        let points = [
            (0.0, 1.0),
            (1.0, 2.0),
            (2.0, f64::NAN),
            (3.0, 1.0),
            (4.0, 3.0),
        ];
        let svg = plot(Scale::Linear, &points).unwrap();
        assert_eq!(svg.matches("stroke=\"#010000\"").count(), 2);
    }

    #[test]
    fn without_finite_values_there_is_no_plot_and_zero_has_a_place_on_a_log_scale() {
        assert_eq!(plot(Scale::Linear, &[]), None);
        assert_eq!(plot(Scale::Linear, &[(0.0, f64::NAN)]), None);
        assert!(plot(Scale::Log, &[(0.0, 0.0), (1.0, 1e-9)]).is_some());
        assert!(plot(Scale::Log, &[(0.0, 0.0), (1.0, 0.0)]).is_some());
        assert!(plot(Scale::Linear, &[(0.0, 3.0)]).is_some());
    }
}
