use native::Result;
use native::audio::Resampler;
use native::engine::Engine;

use crate::flac::Flac;
use crate::opus::Opus;
use crate::wav::{Pcm, Wav};
use crate::{FileFormat, Kind};

/// Turns samples at the engine's rate, as they come, into the bytes of a sound file.
pub struct Encoder {
    kind: Kind,
    resampler: Resampler,
    codec: Box<dyn Codec>,
}

/// The end of a sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The last bytes.
    pub bytes: Vec<u8>,
    /// The file's true first bytes, where they differ from those of [`Encoder::start`]: they state
    /// the length, which was not known. A stream, whose first bytes are gone, does without.
    pub start: Option<Vec<u8>>,
}

/// What one format does with samples at the file's rate.
pub(crate) trait Codec {
    /// The first bytes; nothing is known of the length yet.
    fn start(&mut self) -> Vec<u8>;
    /// Appends the bytes of samples, or keeps the samples until there are enough.
    fn push(&mut self, samples: &[f32], bytes: &mut Vec<u8>) -> Result<()>;
    /// The first bytes of a file that ends here, if it could.
    fn start_so_far(&self) -> Option<Vec<u8>> {
        None
    }
    /// The end.
    fn finish(self: Box<Self>) -> Result<End>;
}

impl Encoder {
    /// An encoder of one sound of which nothing can be written anew: its first bytes do not state
    /// the length.
    ///
    /// # Errors
    /// If the format cannot have such samples or such a rate ([`Kind::check`]).
    pub fn new(kind: Kind) -> Result<Self> {
        Self::with_tag(kind, false)
    }

    /// An encoder of one sound whose first bytes are replaced by [`End::start`] when it ends.
    ///
    /// # Errors
    /// As for [`Encoder::new`].
    pub fn of_file(kind: Kind) -> Result<Self> {
        Self::with_tag(kind, true)
    }

    /// `tagged`: whether room is left for a tag that states the length (mp3).
    fn with_tag(kind: Kind, tagged: bool) -> Result<Self> {
        kind.check()?;
        let rate = kind.sample_rate;
        let codec: Box<dyn Codec> = match kind.format {
            FileFormat::Wav => Box::new(Wav::new(rate, kind.samples)?),
            FileFormat::Pcm => Box::new(Pcm(kind.samples)),
            FileFormat::Flac => Box::new(Flac::new(rate)?),
            FileFormat::Opus => Box::new(Opus::new(rate)?),
            FileFormat::Mp3 => mp3(rate, tagged)?,
        };
        Ok(Self {
            kind,
            resampler: Resampler::new(Engine::SAMPLE_RATE, rate),
            codec,
        })
    }

    /// What is written.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first bytes, before any sound.
    pub fn start(&mut self) -> Vec<u8> {
        self.codec.start()
    }

    /// The next bytes, possibly none: compressed formats wait until there are enough samples.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let samples = self.resampler.push(samples);
        self.codec.push(&samples, &mut bytes)?;
        Ok(bytes)
    }

    /// First bytes for a file that is to be playable as it is now, if its format can have them.
    pub(crate) fn start_so_far(&self) -> Option<Vec<u8>> {
        self.codec.start_so_far()
    }

    /// The last bytes.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn finish(mut self) -> Result<End> {
        let mut bytes = Vec::new();
        let samples = self.resampler.finish();
        self.codec.push(&samples, &mut bytes)?;
        let end = self.codec.finish()?;
        bytes.extend(end.bytes);
        Ok(End {
            bytes,
            start: end.start,
        })
    }
}

#[cfg(feature = "mp3")]
fn mp3(rate: u32, tagged: bool) -> Result<Box<dyn Codec>> {
    Ok(Box::new(crate::mp3::Mp3::new(rate, tagged)?))
}

/// [`Kind::check`] has refused it before.
#[cfg(not(feature = "mp3"))]
fn mp3(_: u32, _: bool) -> Result<Box<dyn Codec>> {
    Err(native::Error::input("this program was built without mp3"))
}
