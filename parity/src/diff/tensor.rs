//! Tensors of floats, value by value and frame by frame.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Measures, Metric, Noise, Value, measures, ratio, ratio_db};

/// Maximum points of [`TensorDiff::error_over_time`]: enough for a plot.
const POINTS: usize = 240;

/// How two tensors of one shape differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TensorDiff {
    /// The shape of both.
    pub shape: Vec<usize>,
    /// NaN and infinite values of the candidate.
    pub non_finite: usize,
    /// Index of the largest difference, row-major.
    pub worst: Option<usize>,
    /// RMS error of each frame, or of equal spans of frames if there are more than 240.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub error_over_time: Vec<f32>,
    /// Errors, cosines and norm ratios.
    pub measures: Measures,
}

/// Compares values of one `shape`, row-major. `time_axis` is the axis of the frames, each of which
/// is compared by cosine and norm; without it, the tensor is a single frame.
///
/// # Errors
/// If the values of either side do not fill the shape; nothing is broadcast.
pub fn diff(
    shape: &[usize],
    reference: &[f32],
    candidate: &[f32],
    time_axis: Option<usize>,
    noise: Option<&Noise>,
) -> Result<TensorDiff, String> {
    let n: usize = shape.iter().product();
    if reference.len() != n || candidate.len() != n {
        let (r, c) = (reference.len(), candidate.len());
        return Err(format!(
            "{r} and {c} values do not fill the shape {shape:?}"
        ));
    }
    let frames = Frames::new(shape, time_axis);
    let mut by_frame = vec![Sums::default(); frames.count];
    let mut differences = Vec::with_capacity(n);
    let (mut non_finite, mut worst) = (0, (0.0, None));
    for (i, (&r, &c)) in reference.iter().zip(candidate).enumerate() {
        // The measures are of what is finite: two infinities of one sign, or two NaN, would make
        // every sum NaN. That they are there is a fault of its own.
        let same = r == c || (r.is_nan() && c.is_nan());
        non_finite += usize::from(!c.is_finite());
        let (r, c) = if same && !r.is_finite() {
            (0.0, 0.0)
        } else {
            (r, c)
        };
        let (r, c) = (f64::from(r), f64::from(c));
        let d = (c - r).abs();
        if d > worst.0 || (d.is_nan() && worst.1.is_none()) {
            worst = (d, Some(i));
        }
        differences.push(d);
        by_frame[frames.of(i)].add(r, c);
    }
    let mut total = Sums::default();
    by_frame.iter().for_each(|s| total.merge(s));
    let count = n.max(1) as f64;
    let rms = (total.error / count).sqrt();
    let p999 = percentile(&mut differences, 0.999);
    let fold = |values: &mut dyn Iterator<Item = f64>, pick: fn(f64, f64) -> f64| {
        values.reduce(|a, b| {
            if a.is_nan() || b.is_nan() {
                f64::NAN
            } else {
                pick(a, b)
            }
        })
    };
    let or_one = |v: Option<f64>| v.unwrap_or(1.0);
    let mut measures = measures([
        (Metric::MaxAbs, percentile(&mut differences, 1.0)),
        (Metric::MeanAbs, differences.iter().sum::<f64>() / count),
        (Metric::P999, p999),
        (Metric::Rms, rms),
        (Metric::NmseDb, ratio_db(total.error, total.reference)),
        (
            Metric::CosineMin,
            or_one(fold(&mut by_frame.iter().map(Sums::cosine), f64::min)),
        ),
        (
            Metric::NormRatioMin,
            or_one(fold(&mut by_frame.iter().map(Sums::norm_ratio), f64::min)),
        ),
        (
            Metric::NormRatioMax,
            or_one(fold(&mut by_frame.iter().map(Sums::norm_ratio), f64::max)),
        ),
    ]);
    if let Some(noise) = noise {
        measures.insert(Metric::NoiseRatio, Value(ratio(rms, noise.rms)));
        measures.insert(Metric::NoiseRatioP999, Value(ratio(p999, noise.p999)));
    }
    let error_over_time = error_over_time(&by_frame, frames.size);
    Ok(TensorDiff {
        shape: shape.to_vec(),
        non_finite,
        worst: worst.1,
        error_over_time,
        measures,
    })
}

/// Maps a row-major index to its frame.
struct Frames {
    count: usize,
    size: usize,
    stride: usize,
}

impl Frames {
    fn new(shape: &[usize], time_axis: Option<usize>) -> Self {
        let n: usize = shape.iter().product();
        match time_axis.filter(|&a| a < shape.len() && n > 0) {
            Some(axis) => {
                let stride = shape[axis + 1..].iter().product();
                Self {
                    count: shape[axis],
                    size: n / shape[axis],
                    stride,
                }
            }
            None => Self {
                count: 1,
                size: n,
                stride: n.max(1),
            },
        }
    }

    fn of(&self, index: usize) -> usize {
        index / self.stride % self.count
    }
}

/// Sums over a frame: squares, except for `product`.
#[derive(Clone, Default)]
struct Sums {
    reference: f64,
    candidate: f64,
    product: f64,
    error: f64,
}

impl Sums {
    fn add(&mut self, r: f64, c: f64) {
        self.reference += r * r;
        self.candidate += c * c;
        self.product += r * c;
        self.error += (c - r) * (c - r);
    }

    fn merge(&mut self, other: &Self) {
        self.reference += other.reference;
        self.candidate += other.candidate;
        self.product += other.product;
        self.error += other.error;
    }

    /// 1 for two frames of zeros, 0 if only one of them is zero.
    fn cosine(&self) -> f64 {
        if self.error == 0.0 {
            1.0
        } else if self.reference == 0.0 || self.candidate == 0.0 {
            0.0
        } else {
            self.product / (self.reference.sqrt() * self.candidate.sqrt())
        }
    }

    fn norm_ratio(&self) -> f64 {
        if self.error == 0.0 {
            1.0
        } else {
            (self.candidate / self.reference).sqrt()
        }
    }
}

/// The percentile `q` of `values` by nearest rank; NaN if any value is NaN, 0 without values.
pub(crate) fn percentile(values: &mut [f64], q: f64) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len().max(1));
    if values.is_empty() {
        0.0
    } else {
        *values.select_nth_unstable_by(rank - 1, f64::total_cmp).1
    }
}

fn error_over_time(frames: &[Sums], size: usize) -> Vec<f32> {
    let span = frames.len().div_ceil(POINTS).max(1);
    let rms = |span: &[Sums]| {
        let sum: f64 = span.iter().map(|s| s.error).sum();
        (sum / (span.len() * size.max(1)) as f64).sqrt() as f32
    };
    frames.chunks(span).map(rms).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(r: &[f32], c: &[f32], shape: &[usize]) -> TensorDiff {
        diff(shape, r, c, Some(1), None).unwrap()
    }

    /// [2 channels, 3 frames]; the frames are (3, 4), (1, 0) and (0, 2).
    const R: [f32; 6] = [3.0, 1.0, 0.0, 4.0, 0.0, 2.0];

    #[test]
    fn a_gain_of_one_percent_hides_from_the_cosine_but_not_from_the_norm_or_the_nmse() {
        let c = R.map(|x| x * 1.01);
        let m = measure(&R, &c, &[2, 3]).measures;
        assert!((m[&Metric::CosineMin].0 - 1.0).abs() < 1e-12);
        assert!((m[&Metric::NormRatioMin].0 - 1.01).abs() < 1e-6);
        assert!((m[&Metric::NormRatioMax].0 - 1.01).abs() < 1e-6);
        // 20 log10(0.01) = -40 dB.
        assert!((m[&Metric::NmseDb].0 + 40.0).abs() < 1e-3);
        assert!((m[&Metric::MaxAbs].0 - 0.04).abs() < 1e-6);
    }

    #[test]
    fn identity_is_the_best_value_of_every_metric() {
        let m = measure(&R, &R, &[2, 3]).measures;
        assert_eq!(m[&Metric::NmseDb].0, f64::NEG_INFINITY);
        let values = [
            Metric::MaxAbs,
            Metric::MeanAbs,
            Metric::P999,
            Metric::Rms,
            Metric::CosineMin,
        ];
        assert_eq!(values.map(|v| m[&v].0), [0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_rotated_frame_is_found_along_its_axis() {
        // Only the middle frame is rotated by a right angle.
        let c = [3.0, 0.0, 0.0, 4.0, 1.0, 2.0];
        let d = measure(&R, &c, &[2, 3]);
        assert_eq!(d.measures[&Metric::CosineMin].0, 0.0);
        assert_eq!(d.error_over_time, [0.0, 1.0, 0.0]);
        let across = diff(&[2, 3], &R, &c, Some(0), None).unwrap();
        assert!(across.measures[&Metric::CosineMin].0 > 0.8);
    }

    #[test]
    fn nan_is_counted_and_poisons_every_error() {
        let mut c = R;
        c[4] = f32::NAN;
        let d = measure(&R, &c, &[2, 3]);
        assert_eq!((d.non_finite, d.worst), (1, Some(4)));
        assert!(d.measures[&Metric::MaxAbs].0.is_nan() && d.measures[&Metric::NmseDb].0.is_nan());
        let same = measure(&c, &c, &[2, 3]);
        assert_eq!(
            (same.non_finite, same.measures[&Metric::MaxAbs].0),
            (1, 0.0)
        );
    }

    #[test]
    fn zeros_instead_of_values_are_a_large_error() {
        let m = measure(&R, &[0.0; 6], &[2, 3]).measures;
        assert_eq!((m[&Metric::NmseDb].0, m[&Metric::CosineMin].0), (0.0, 0.0));
        assert_eq!(m[&Metric::NormRatioMin].0, 0.0);
    }

    #[test]
    fn the_noise_ratio_is_in_units_of_the_noise() {
        let noise = Noise {
            max_abs: 0.1,
            p999: 0.05,
            rms: 0.01,
            nmse_db: -40.0,
        };
        let c = R.map(|x| x + 0.02);
        let m = diff(&[6], &R, &c, None, Some(&noise)).unwrap().measures;
        assert!((m[&Metric::NoiseRatio].0 - 2.0).abs() < 1e-4);
        assert!((m[&Metric::NoiseRatioP999].0 - 0.4).abs() < 1e-4);
    }

    #[test]
    fn nothing_is_broadcast() {
        assert!(diff(&[2, 3], &R, &R[..3], None, None).is_err());
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut v: Vec<f64> = (1..=2000).map(f64::from).collect();
        assert_eq!(percentile(&mut v, 0.999), 1998.0);
        assert_eq!(percentile(&mut v, 1.0), 2000.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
