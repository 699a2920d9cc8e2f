//! Every metric's definition, in one table: docs, JSON and the report's tooltips read it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::number;
use crate::stage::ValueKind;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Less is better; identical values give zero, or minus infinity.
    Lower,
    /// More is better.
    Higher,
    /// One is best.
    One,
}

/// What a metric means and how to read it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The name in files.
    pub name: &'static str,
    /// The name in tables.
    pub label: &'static str,
    /// The unit; empty for a bare number.
    pub unit: &'static str,
    /// The kinds of values on which it is measured.
    pub kinds: &'static [ValueKind],
    /// The smallest and largest value possible.
    pub range: (f64, f64),
    /// Which way is better.
    pub direction: Direction,
    /// Whether the metric does not notice a change of loudness, or of scale. Such a metric alone
    /// passes no stage.
    pub gain_blind: bool,
    /// What is measured; r is the reference, c the candidate.
    pub meaning: &'static str,
}

const INF: f64 = f64::INFINITY;

macro_rules! metrics {
    ($($variant:ident $name:literal $label:literal $unit:literal [$($kind:ident)*] $low:expr, $high:expr;
       $direction:ident $(blind $blind:literal)? $meaning:literal)*) => {
        /// A number that says how far a candidate is from the reference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $(
                #[doc = $meaning]
                #[doc = concat!(
                    "\n\nUnit: \"", $unit, "\"; range: ", stringify!($low), " to ",
                    stringify!($high), "; best: ", stringify!($direction), "."
                )]
                $variant,
            )*
        }

        impl Metric {
            /// Every metric, in the order of tables.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What it means and how to read it.
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$variant => const { &Definition {
                        name: $name,
                        label: $label,
                        unit: $unit,
                        kinds: &[$(ValueKind::$kind),*],
                        range: ($low, $high),
                        direction: Direction::$direction,
                        gain_blind: false $(|| $blind)?,
                        meaning: $meaning,
                    } },)*
                }
            }
        }
    };
}

metrics! {
    CountDifference "count_difference" "count difference" "" [Text Tokens] 0.0, INF; Lower
        "How many texts or lists one side has more than the other, such as segments of a text."
    TextEdits "text_edits" "characters edited" "characters" [Text] 0.0, INF; Lower
        "Characters to delete or insert to turn r into c (Myers 1986)."
    LengthDifference "length_difference" "length difference" "" [Tokens Audio] 0.0, INF; Lower
        "Difference of the lengths: tokens for token lists, samples for sound."
    EditDistance "edit_distance" "edit distance" "tokens" [Tokens] 0.0, INF; Lower
        "Tokens to delete, insert or replace to turn r into c (Levenshtein 1966)."
    ExplainedPartings "explained_partings" "explained partings" "tokens" [Tokens] 0.0, INF; Lower
        "Tokens drawn from r's history and with r's random numbers that differ from r's, where r's sampler draws the same from c's logits and these are within kl_max there."
    UnexplainedPartings "unexplained_partings" "unexplained partings" "tokens" [Tokens] 0.0, INF; Lower
        "All other tokens that differ from r's: by another sampler, by logits further away than kl_max allows, or without a record of how they were drawn."
    KlMean "kl_mean" "KL mean" "nats" [Tokens Logits] 0.0, INF; Lower blind true
        "Kullback-Leibler divergence of softmax(c) from softmax(r), mean over the positions. Blind to an added constant, as softmax is."
    KlP99 "kl_p99" "KL p99" "nats" [Tokens Logits] 0.0, INF; Lower blind true
        "Kullback-Leibler divergence of softmax(c) from softmax(r), 99th percentile of the positions."
    KlMax "kl_max" "KL max" "nats" [Tokens Logits] 0.0, INF; Lower blind true
        "Kullback-Leibler divergence of softmax(c) from softmax(r) at the worst position."
    LogitGain "logit_gain" "logit gain" "" [Tokens] 0.0, INF; One
        "Slope of c's logits on r's, weighted by r's probabilities, over all draws of a segment from r's history. A temperature of 1.01 makes it 0.99; rounding leaves it at 1."
    SameTop1 "same_top1" "same top-1" "share" [Tokens Logits] 0.0, 1.0; Higher blind true
        "Share of the positions whose most likely token is the same."
    Top5Overlap "top5_overlap" "top-5 overlap" "share" [Logits] 0.0, 1.0; Higher blind true
        "Share of r's five most likely tokens that are among c's five, mean over the positions."
    MaxAbs "max_abs" "max |c-r|" "" [Logits Tensor Audio] 0.0, INF; Lower
        "Largest absolute difference of two values."
    MeanAbs "mean_abs" "mean |c-r|" "" [Logits Tensor Audio] 0.0, INF; Lower
        "Mean absolute difference."
    P999 "p999" "p99.9 |c-r|" "" [Logits Tensor Audio] 0.0, INF; Lower
        "99.9th percentile of the absolute differences, by nearest rank."
    Rms "rms_error" "RMS error" "" [Logits Tensor Audio] 0.0, INF; Lower
        "Root of the mean squared difference."
    NmseDb "nmse_db" "NMSE" "dB" [Logits Tensor Audio] -INF, INF; Lower
        "Energy of c-r over the energy of r. Float32 rounds at about -145 dB; -60 dB is a thousandth of the amplitude."
    CosineMin "cosine_min" "cosine, worst frame" "" [Logits Tensor Audio] -1.0, 1.0; Higher blind true
        "Cosine of the angle between r and c in the worst frame. Blind to gain: see the norm ratio."
    NormRatioMin "norm_ratio_min" "norm ratio, smallest" "" [Logits Tensor Audio] 0.0, INF; One
        "Norm of c over norm of r in the frame where it is smallest."
    NormRatioMax "norm_ratio_max" "norm ratio, largest" "" [Logits Tensor Audio] 0.0, INF; One
        "Norm of c over norm of r in the frame where it is largest."
    NoiseRatio "noise_ratio" "error / noise" "x" [Logits Tensor Audio] 0.0, INF; Lower
        "RMS error as a multiple of the reference's own: that of the reference in float32 against itself in float64."
    NoiseRatioP999 "noise_ratio_p999" "p99.9 / noise" "x" [Logits Tensor Audio] 0.0, INF; Lower
        "99.9th percentile of the absolute differences, as a multiple of that of the reference in float32 against itself in float64."
    DurationDifference "duration_difference" "duration difference" "s" [Audio] 0.0, INF; Lower
        "Difference of the durations."
    RmsDifference "rms_difference" "level difference" "dB" [Audio] 0.0, INF; Lower
        "Difference of the RMS levels."
    PeakDifference "peak_difference" "peak difference" "dB" [Audio] 0.0, INF; Lower
        "Difference of the largest absolute samples."
    DcDifference "dc_difference" "DC difference" "" [Audio] 0.0, 2.0; Lower
        "Difference of the mean samples."
    Snr "snr" "SNR" "dB" [Audio] -INF, INF; Higher
        "Energy of r over the energy of c-r, sample by sample, as torchmetrics' signal_noise_ratio; what one side has more is an error of its own energy, and at least of r's mean power."
    SiSdr "si_sdr" "SI-SDR" "dB" [Audio] -INF, INF; Higher blind true
        "Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019): the part of c along r over the rest, means not removed; what one side has more is rest. Blind to gain."
    Lag "lag" "lag" "samples" [Audio] -INF, INF; Lower
        "By how many samples c comes after r, where their cross-correlation is largest (Knapp and Carter 1976, without weighting). Judged by its size, whatever the sign."
    SnrAligned "snr_aligned" "SNR after lag" "dB" [Audio] -INF, INF; Higher
        "SNR after c was moved by the lag; what one side has more by length is an error."
    StftDistance "stft_distance" "multi-resolution STFT" "" [Audio] 0.0, INF; Lower
        "Spectral convergence plus mean absolute difference of the log magnitudes, mean of three resolutions (Yamamoto et al. 2020: FFT 512, 1024, 2048; window 240, 600, 1200; hop 50, 120, 240)."
    LogSpectral "log_spectral" "log-spectral distance" "dB" [Audio] 0.0, INF; Lower
        "Root of the mean squared difference of the power spectra in dB, mean over the frames (Gray and Markel 1976; FFT 1024, hop 256), with a floor 100 dB below the louder side's peak."
    DtwCost "dtw_cost" "mel distance, aligned" "dB" [Audio] 0.0, INF; Lower
        "Mean distance of the 80 log-mel channels (RMS over the channels, in dB) along the best alignment by dynamic time warping (Sakoe and Chiba 1978)."
    DtwDeviation "dtw_deviation" "alignment deviation" "ms" [Audio] 0.0, INF; Lower
        "Mean distance of that alignment from the straight one: 0 where both sides keep the same time."
    MelWindow "mel_window" "mel window" "dB" [Audio] 0.0, INF; Lower
        "Distance of the 80 log-mel channels (RMS over the channels, in dB, with a floor 60 dB below r's loudest), frame by frame as they stand, mean over the half second where it is largest. A wrong word is not averaged away, however long the sound."
    MelCepstral "mel_cepstral" "mel-cepstral distortion" "dB" [Audio] 0.0, INF; Lower blind true
        "10/ln 10 times the root of 2 sum (r_d - c_d)^2 over the mel cepstra 1 to 24, mean along the best alignment (Kubichek 1993). A mel cepstrum is 2/80 of the cosine transform of the natural log of the 80 mel amplitudes. Cepstrum 0, the loudness, is left out: blind to gain."
    F0Error "f0_error" "F0 error" "cents" [Audio] 0.0, INF; Lower blind true
        "Root of the mean squared difference of the fundamental frequencies by YIN (de Cheveigne and Kawahara 2002; 60 to 500 Hz, threshold 0.15), where both sides are voiced, along the best alignment. 1200 cents are an octave."
    F0Gross "f0_gross" "gross F0 errors" "share" [Audio] 0.0, 1.0; Lower blind true
        "Share of the aligned frames voiced on both sides whose fundamental frequencies differ by more than 20 % (gross pitch error, Rabiner et al. 1976)."
    VoicingError "voicing_error" "voicing errors" "share" [Audio] 0.0, 1.0; Lower blind true
        "Share of the aligned frames that are voiced on one side only (voicing decision error, Nakatani et al. 2008). A frame is voiced where YIN finds a period below its threshold and the level is above -60 dB of full scale."
    Clipping "clipping" "clipped samples" "samples" [Audio] 0.0, INF; Lower
        "Samples of c at full scale (|c| of at least 0.9999) beyond those of r."
}

impl Metric {
    /// Whether comparing values of this kind measures it.
    pub fn is_measured_in(self, kind: ValueKind) -> bool {
        self.definition().kinds.contains(&kind)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.definition().name)
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|m| m.definition().name == name);
        found
            .copied()
            .ok_or_else(|| format!("unknown metric `{name}`"))
    }
}

impl Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::ALL.iter().map(|m| m.definition().name).collect();
        json_schema!({"type": "string", "enum": names, "description": "A metric's name."})
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or the name of a value that JSON has no number for.",
            "oneOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity", "NaN"]}],
        })
    }
}

/// A measured value; infinities and NaN survive JSON.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(#[serde(with = "number")] pub f64);

/// The error of the reference in float32 against itself in float64, for one tensor: the unit of
/// [`Metric::NoiseRatio`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Largest absolute difference.
    pub max_abs: f64,
    /// 99.9th percentile of the absolute differences.
    pub p999: f64,
    /// Root of the mean squared difference.
    pub rms: f64,
    /// Energy of the difference over that of the signal, in dB; minus infinity if they are equal.
    #[serde(with = "number")]
    pub nmse_db: f64,
}

/// What was measured of one tensor, text, token list or sound.
pub type Measures = BTreeMap<Metric, Value>;

/// Collects measures from pairs.
pub fn measures<const N: usize>(pairs: [(Metric, f64); N]) -> Measures {
    pairs
        .into_iter()
        .map(|(metric, value)| (metric, Value(value)))
        .collect()
}

/// 10·log10(a/b), with 0/0 being minus infinity: no error at all.
pub(crate) fn ratio_db(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        f64::NEG_INFINITY
    } else {
        10.0 * (a / b).log10()
    }
}

/// a/b, with 0/0 being 0: no error at all.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for &metric in Metric::ALL {
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
    }

    #[test]
    fn ratios_without_an_error_are_the_best_and_nan_stays_nan() {
        assert_eq!(ratio_db(0.0, 0.0), f64::NEG_INFINITY);
        assert_eq!(ratio_db(1.0, 0.0), f64::INFINITY);
        assert_eq!(ratio_db(1.0, 100.0), -20.0);
        assert!(ratio_db(f64::NAN, 1.0).is_nan());
        assert_eq!((ratio(0.0, 0.0), ratio(1.0, 0.0)), (0.0, f64::INFINITY));
    }
}
