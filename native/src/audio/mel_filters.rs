//! Triangular mel filters on the Slaney scale, as librosa computes them.

/// A mel filterbank that stores only the non-zero part of each filter.
pub struct MelFilters {
    filters: Vec<Filter>,
}

struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl MelFilters {
    /// `librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)`: from 0 Hz to Nyquist,
    /// area-normalised, rounded to float32 where librosa rounds.
    pub fn slaney(sample_rate: u32, n_fft: usize, n_mels: usize) -> Self {
        let rate = f64::from(sample_rate);
        let bin_width = 1.0 / (n_fft as f64 * (1.0 / rate));
        let top = hz_to_mel(rate / 2.0);
        let step = top / (n_mels + 1) as f64;
        let edges: Vec<f64> = (0..n_mels + 2)
            .map(|i| {
                mel_to_hz(if i == n_mels + 1 {
                    top
                } else {
                    i as f64 * step
                })
            })
            .collect();
        let filters = edges.windows(3).map(|edge| {
            let norm = 2.0 / (edge[2] - edge[0]);
            let weights = (0..=n_fft / 2).map(|bin| {
                let hz = bin as f64 * bin_width;
                let rising = -(edge[0] - hz) / (edge[1] - edge[0]);
                let falling = (edge[2] - hz) / (edge[2] - edge[1]);
                let triangle = rising.min(falling).max(0.0) as f32;
                (f64::from(triangle) * norm) as f32
            });
            Filter::new(weights.collect())
        });
        Self {
            filters: filters.collect(),
        }
    }

    /// A filterbank from one row of weights per mel channel.
    pub fn from_rows(rows: impl Iterator<Item = Vec<f32>>) -> Self {
        Self {
            filters: rows.map(Filter::new).collect(),
        }
    }

    /// The energy of each filter in `spectrum`, summed in float64.
    pub fn apply<'a>(&'a self, spectrum: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.filters.iter().map(|filter| {
            let bins = spectrum.get(filter.first_bin..).unwrap_or_default();
            filter
                .weights
                .iter()
                .zip(bins)
                .map(|(&w, &s)| f64::from(w) * s)
                .sum()
        })
    }
}

impl Filter {
    fn new(weights: Vec<f32>) -> Self {
        let first_bin = weights.iter().position(|&w| w != 0.0).unwrap_or(0);
        let end = weights
            .iter()
            .rposition(|&w| w != 0.0)
            .map_or(first_bin, |last| last + 1);
        Self {
            first_bin,
            weights: weights[first_bin..end].to_vec(),
        }
    }
}

/// The Slaney scale is linear below this frequency and logarithmic above, Hz.
const LOG_FROM_HZ: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
const LOG_FROM_MEL: f64 = LOG_FROM_HZ / HZ_PER_MEL;

/// Increase of ln(frequency) per mel: 27 mels span a factor of 6.4.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz >= LOG_FROM_HZ {
        LOG_FROM_MEL + (hz / LOG_FROM_HZ).ln() / log_step()
    } else {
        hz / HZ_PER_MEL
    }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel >= LOG_FROM_MEL {
        LOG_FROM_HZ * (log_step() * (mel - LOG_FROM_MEL)).exp()
    } else {
        HZ_PER_MEL * mel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum in float64 of all weights, each multiplied by 1 + its index modulo 97.
    fn checksum(filters: &MelFilters, bins: usize) -> f64 {
        let mut sum = 0.0;
        for (row, filter) in filters.filters.iter().enumerate() {
            for (column, &weight) in (filter.first_bin..).zip(&filter.weights) {
                sum += f64::from(weight) * ((row * bins + column) % 97 + 1) as f64;
            }
        }
        sum
    }

    #[test]
    fn filters_match_librosa() {
        // librosa 0.10.2, filters.mel; the second equals the filters that whisper ships.
        let mel = MelFilters::slaney(24_000, 1920, 80);
        assert_eq!(checksum(&mel, 961), 278.269_165_366_894_64);
        let whisper = MelFilters::slaney(16_000, 400, 128);
        assert_eq!(checksum(&whisper, 201), 155.324_074_330_170_33);
        let first = &whisper.filters[0];
        assert_eq!((first.first_bin, first.weights[0]), (1, 0.012_373_987));
    }

    #[test]
    fn each_filter_weights_its_own_bins() {
        let rows = [
            vec![0.0, 0.5, 0.25, 0.0],
            vec![0.0; 4],
            vec![0.0, 0.0, 0.0, 2.0],
        ];
        let filters = MelFilters::from_rows(rows.into_iter());
        let energies: Vec<f64> = filters.apply(&[100.0, 1.0, 2.0, 3.0]).collect();
        assert_eq!(energies, [1.0, 0.0, 6.0]);
    }
}
