//! The sound of a case: float32, mono, 24 kHz.

use std::io::Cursor;
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::{Error, SAMPLE_RATE};

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: SAMPLE_RATE,
    bits_per_sample: 32,
    sample_format: SampleFormat::Float,
};

pub(super) fn encode(samples: &[f32]) -> Result<Vec<u8>, String> {
    let mut bytes = Cursor::new(Vec::new());
    let write = |bytes| -> hound::Result<()> {
        let mut writer = WavWriter::new(bytes, SPEC)?;
        for &sample in samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    };
    write(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes.into_inner())
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Vec<f32>, Error> {
    let reader = WavReader::new(bytes).map_err(|e| Error::damaged(path, e))?;
    if reader.spec() != SPEC {
        return Err(Error::damaged(path, "not mono float32 at 24 kHz"));
    }
    reader
        .into_samples()
        .collect::<Result<_, _>>()
        .map_err(|e| Error::damaged(path, e))
}
