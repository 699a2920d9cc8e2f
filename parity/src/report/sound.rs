use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hound::{SampleFormat, WavSpec, WavWriter};

use super::json::Sound;

impl Sound {
    /// A mono sound at `rate`, to be played by a browser. None if there is nothing to hear.
    pub fn new(label: &str, samples: &[f32], rate: u32) -> Option<Self> {
        if samples.is_empty() || rate == 0 {
            return None;
        }
        let spec = WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).ok()?;
        for sample in samples {
            // A cast saturates, and makes silence of NaN.
            writer
                .write_sample((sample * 32767.0).round() as i16)
                .ok()?;
        }
        writer.finalize().ok()?;
        Some(Self {
            label: label.to_owned(),
            seconds: samples.len() as f64 / f64::from(rate),
            wav: BASE64.encode(bytes.into_inner()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_plays_back_within_half_a_step() {
        let sound = Sound::new("x", &[0.0, 0.5, -1.0, 2.0, f32::NAN], 24_000).unwrap();
        let bytes = BASE64.decode(sound.wav).unwrap();
        let samples: Vec<i16> = hound::WavReader::new(&*bytes)
            .unwrap()
            .into_samples()
            .map(Result::unwrap)
            .collect();
        assert_eq!(samples, [0, 16384, -32767, 32767, 0]);
        assert_eq!(Sound::new("x", &[], 24_000), None);
    }
}
