use serde::{Deserialize, Serialize};

use crate::diff::audio::{self, AudioDiff};
use crate::diff::{f0, spectrum};
use crate::recording::SAMPLE_RATE;
use crate::report::model::{Contour, MelPicture, MetricInfo, Sound};
use crate::sound::{Error, FileSound};
use crate::stage::Feed;

/// Version of the output of `parity compare --json`.
const COMPARISON_VERSION: u32 = 2;
/// Longer sounds are cut to the excerpt that differs most.
const SOUND_SECONDS: f64 = 60.0;

/// Two sound files side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoundComparison {
    /// Version of the format.
    pub version: u32,
    /// The first file.
    pub reference: Side,
    /// The second file.
    pub candidate: Side,
    /// Samples per second of the comparison.
    pub rate: u32,
    /// Conversions that the comparison needed.
    pub notes: Vec<String>,
    /// Levels and measures.
    pub diff: AudioDiff,
    /// The definitions of the measures.
    pub metrics: Vec<MetricInfo>,
    /// The sounds, to listen to.
    pub sound: Option<Sound>,
    /// Their log-mels in dB, of as much as can be heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mel: Option<MelPicture>,
    /// Their fundamental frequencies, of as much as can be heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f0: Option<Contour>,
}

/// One of the two files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The file's path as given.
    pub file: String,
    /// Samples per second.
    pub rate: u32,
    /// Channels.
    pub channels: usize,
    /// The encoding, such as `float 32 bit`.
    pub encoding: String,
}

impl SoundComparison {
    /// Compares two files, mixed to mono, at the reference's rate.
    ///
    /// # Errors
    /// If the samples of a long sound cannot be held in a temporary file.
    pub fn of(reference: (&str, &FileSound), candidate: (&str, &FileSound)) -> Result<Self, Error> {
        let (r, c) = (reference.1, candidate.1);
        let rate = if r.rate > 0 { r.rate } else { SAMPLE_RATE };
        let mut notes = Vec::new();
        for (name, wav) in [reference, candidate] {
            if wav.channels > 1 {
                notes.push(format!(
                    "{name} has {} channels: their mean is compared",
                    wav.channels
                ));
            }
        }
        if c.rate != rate {
            notes.push(format!(
                "the sampling rates differ: {} was converted from {} to {rate} Hz",
                candidate.0, c.rate
            ));
        }
        let samples = &*c.at_rate(rate)?;
        if r.samples.len() != samples.len() {
            notes.push("the lengths differ: the shorter side is padded with silence".into());
        }
        if r.samples.len() + samples.len() > audio::WHOLE {
            let seconds = audio::LONGEST_LAG as f64 / f64::from(rate);
            notes.push(format!("the lag is searched up to {seconds:.1} s"));
        }
        let diff = audio::diff(&r.samples, samples, rate);
        let sound = Sound::new(&r.samples, samples, rate, SOUND_SECONDS);
        let heard = |all: &'_ [f32]| -> Vec<f32> {
            let (start, count) = sound.as_ref().map_or((0, 0), |s| (s.start, s.samples));
            all.iter().skip(start).take(count).copied().collect()
        };
        let (heard_r, heard_c) = (heard(&r.samples), heard(samples));
        let mel = MelPicture::of_frames(
            &spectrum::log_mel(&heard_r, rate),
            &spectrum::log_mel(&heard_c, rate),
        );
        let hz = |samples: &[f32]| {
            let hundredths = |hz: Option<f64>| (hz.unwrap_or(0.0) * 100.0).round() as f32 / 100.0;
            f0::track(samples, rate)
                .into_iter()
                .map(hundredths)
                .collect()
        };
        let f0 = Contour {
            segment: 0,
            feed: Feed::Cascaded,
            reference: hz(&heard_r),
            candidate: hz(&heard_c),
        };
        Ok(Self {
            version: COMPARISON_VERSION,
            reference: Side::of(reference),
            candidate: Side::of(candidate),
            rate,
            notes,
            metrics: diff.measures.keys().map(|&m| MetricInfo::of(m)).collect(),
            sound,
            mel,
            f0: Some(f0),
            diff,
        })
    }
}

impl SoundComparison {
    /// Without what is only for the page: sounds and pictures.
    pub fn measures_alone(mut self) -> Self {
        (self.sound, self.mel, self.f0) = (None, None, None);
        self
    }

    /// Whether a side has no samples, so that nothing was compared.
    pub fn is_empty(&self) -> bool {
        self.diff.reference.samples == 0 || self.diff.candidate.samples == 0
    }
}

impl Side {
    fn of((file, wav): (&str, &FileSound)) -> Self {
        Self {
            file: file.to_owned(),
            rate: wav.rate,
            channels: wav.channels,
            encoding: wav.encoding.clone(),
        }
    }
}
