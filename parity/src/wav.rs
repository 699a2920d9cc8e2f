//! The wav files of recordings: mono float32, bit for bit.

use std::io::Cursor;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// The form of sounds in recordings.
fn mono(rate: u32) -> WavSpec {
    WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    }
}

/// A mono float32 file, `rate` samples per second.
///
/// # Errors
/// If the samples are too many for the format.
pub fn encode(samples: &[f32], rate: u32) -> hound::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, mono(rate))?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(bytes.into_inner())
}

/// The samples of a file that [`encode`] wrote, bit for bit.
///
/// # Errors
/// If it is damaged, or has another form or rate.
pub fn decode(bytes: &[u8], rate: u32) -> hound::Result<Vec<f32>> {
    let reader = WavReader::new(bytes)?;
    if reader.spec() != mono(rate) {
        return Err(hound::Error::FormatError(
            "not mono float32 at the expected rate",
        ));
    }
    reader.into_samples().collect()
}

/// The samples of a file by another program: mono, at the expected rate, float32 or integers.
///
/// # Errors
/// What is wrong with it, and how it should be, in words.
pub fn decode_any(bytes: &[u8], rate: u32) -> Result<Vec<f32>, String> {
    let reader = WavReader::new(bytes).map_err(|e| format!("it is no wav file ({e})"))?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.sample_rate != rate {
        return Err(format!(
            "it has {} channels at {} Hz, but the sound of a recording is mono at {rate} Hz",
            spec.channels, spec.sample_rate
        ));
    }
    let samples: hound::Result<Vec<f32>> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples().collect(),
        SampleFormat::Int => {
            let scale = 1.0 / 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.into_samples::<i32>();
            samples
                .map(|sample| Ok((f64::from(sample?) * scale) as f32))
                .collect()
        }
    };
    samples.map_err(|e| format!("its samples cannot be read ({e})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_of_other_programs_are_read_whatever_their_samples_are() {
        let floats = encode(&[0.5, -0.25], 24_000).unwrap();
        assert_eq!(decode_any(&floats, 24_000).unwrap(), [0.5, -0.25]);
        let spec = WavSpec {
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
            ..mono(24_000)
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in [16384i16, -8192] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        assert_eq!(decode_any(bytes.get_ref(), 24_000).unwrap(), [0.5, -0.25]);
        let other = encode(&[0.5], 22_050).unwrap();
        let reason = decode_any(&other, 24_000).unwrap_err();
        assert!(reason.contains("22050 Hz"), "{reason}");
    }

    #[test]
    fn samples_are_read_back_bit_for_bit() {
        let samples = [0.1, -0.0, f32::MIN_POSITIVE, f32::NAN, 1e30];
        let bytes = encode(&samples, 24_000).unwrap();
        let read = decode(&bytes, 24_000).unwrap();
        let bits: Vec<_> = read.iter().map(|s| s.to_bits()).collect();
        assert_eq!(bits, samples.map(f32::to_bits));
        assert!(decode(&bytes, 16_000).is_err());
        assert!(decode(&bytes[..bytes.len() - 1], 24_000).is_err());
    }
}
