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

#[cfg(test)]
mod tests {
    use super::*;

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
