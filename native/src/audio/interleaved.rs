//! Decoded sound with all its channels, and its reduction to one.

/// Decoded samples of all channels, interleaved, full scale at ±1.
pub(super) struct Interleaved {
    pub(super) samples: Vec<f32>,
    /// At least 1.
    pub(super) channels: usize,
    /// Hz; 0 if the file's header is wrong.
    pub(super) sample_rate: u32,
}

impl Interleaved {
    /// The mean over the channels, summed in float32 in channel order as torch does.
    ///
    /// # Errors
    ///
    /// What is wrong with the sound: a sample rate of 0, no samples, or a sample that is not finite.
    pub(super) fn into_mono(self) -> Result<Vec<f32>, String> {
        let Self {
            samples,
            channels,
            sample_rate,
        } = self;
        if sample_rate == 0 {
            return Err("states a sample rate of 0 Hz".to_owned());
        }
        if samples.len() < channels {
            return Err("contains no samples".to_owned());
        }
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            let seconds = (at / channels) as f64 / f64::from(sample_rate);
            return Err(format!(
                "has a sample that is not a finite number, {seconds:.3} s from the start"
            ));
        }
        if channels == 1 {
            return Ok(samples);
        }
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        Ok(samples.chunks_exact(channels).map(mean).collect())
    }
}
