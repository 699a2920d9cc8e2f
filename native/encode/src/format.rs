use std::fmt;
use std::path::Path;
use std::str::FromStr;

use native::engine::Engine;
use native::{Error, Result};

/// A kind of sound file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// Uncompressed, with a header.
    Wav,
    /// Samples without a header, little-endian.
    Pcm,
    /// Compressed without loss, 16 bit.
    Flac,
    /// MPEG layer III at a constant bit rate, by LAME.
    Mp3,
    /// Opus in Ogg pages.
    Opus,
}

impl FileFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Wav, Self::Pcm, Self::Flac, Self::Mp3, Self::Opus];

    /// Its name in requests and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Pcm => "pcm",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
        }
    }

    /// The format that a file's name promises, by its extension; wav if it has none.
    ///
    /// # Errors
    /// If it promises something else.
    pub fn of_file(path: &Path) -> Result<Self> {
        let Some(extension) = path.extension() else {
            return Ok(Self::Wav);
        };
        let extension = extension.to_string_lossy().to_ascii_lowercase();
        Ok(match extension.as_str() {
            "wav" => Self::Wav,
            "pcm" | "raw" => Self::Pcm,
            "flac" => Self::Flac,
            "mp3" => Self::Mp3,
            "ogg" | "opus" => Self::Opus,
            _ => {
                return Err(Error::format(
                    path,
                    format!(
                        "{extension} files cannot be written: end the name in .wav, .flac, .mp3, \
                         .ogg (Opus) or .pcm"
                    ),
                ));
            }
        })
    }

    /// The media type of its bytes.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
            Self::Flac => "audio/flac",
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/ogg",
        }
    }

    /// The sample rates that it can have, in Hz; `None` if any will do.
    const fn rates(self) -> Option<&'static [u32]> {
        match self {
            Self::Wav | Self::Pcm | Self::Flac => None,
            Self::Mp3 => Some(&[
                8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
            ]),
            Self::Opus => Some(&[8000, 12_000, 16_000, 24_000, 48_000]),
        }
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FileFormat {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| format!("unknown format `{name}` (expected one of {known})"))
    }
}

/// How samples are stored where they are not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// 16-bit integers.
    Int16,
    /// 32-bit floats, full scale at ±1: what the engine computes.
    Float32,
}

impl SampleFormat {
    /// The names on command lines.
    pub const NAMES: [&'static str; 2] = ["int16", "float32"];

    /// Bytes of a sample.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Int16 => 2,
            Self::Float32 => 4,
        }
    }
}

impl FromStr for SampleFormat {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "int16" => Ok(Self::Int16),
            "float32" => Ok(Self::Float32),
            _ => Err(format!(
                "unknown sample format `{name}` (expected int16 or float32)"
            )),
        }
    }
}

/// What a sound is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The kind of file.
    pub format: FileFormat,
    /// How its samples are stored. Only wav and pcm leave the choice.
    pub samples: SampleFormat,
    /// Sample rate of the file, Hz.
    pub sample_rate: u32,
}

impl Kind {
    /// Lowest sample rate that can be written, Hz.
    pub const MIN_SAMPLE_RATE: u32 = 8000;
    /// Highest sample rate that can be written, Hz.
    pub const MAX_SAMPLE_RATE: u32 = 192_000;

    /// A format at the engine's rate, of 16-bit samples.
    pub fn new(format: FileFormat) -> Self {
        Self {
            format,
            samples: SampleFormat::Int16,
            sample_rate: Engine::SAMPLE_RATE,
        }
    }

    /// Checks that the format can have such samples and such a rate, and that this program can
    /// write it.
    ///
    /// # Errors
    /// If not; the message says what it can have.
    pub fn check(&self) -> Result<()> {
        let Self {
            format,
            sample_rate,
            ..
        } = self;
        if *format == FileFormat::Mp3 && cfg!(not(feature = "mp3")) {
            return Err(Error::input(
                "this program was built without mp3 (the feature `mp3`): choose wav, flac or opus",
            ));
        }
        if self.samples == SampleFormat::Float32
            && !matches!(format, FileFormat::Wav | FileFormat::Pcm)
        {
            return Err(Error::input(format!(
                "{format} has no samples of float32: only wav and pcm have"
            )));
        }
        if let Some(rates) = format.rates().filter(|rates| !rates.contains(sample_rate)) {
            let rates: Vec<_> = rates.iter().map(u32::to_string).collect();
            return Err(Error::input(format!(
                "{format} cannot have {sample_rate} Hz: choose one of {}",
                rates.join(", ")
            )));
        }
        if !(Self::MIN_SAMPLE_RATE..=Self::MAX_SAMPLE_RATE).contains(sample_rate) {
            return Err(Error::input(format!(
                "a sample rate of {sample_rate} Hz cannot be written: choose {} to {} Hz",
                Self::MIN_SAMPLE_RATE,
                Self::MAX_SAMPLE_RATE
            )));
        }
        Ok(())
    }
}
