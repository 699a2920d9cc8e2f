//! Sound files of every kind that is read, block by block, as the reference's libsndfile hears them.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod adpcm;
mod aiff;
mod au;
mod caf;
mod compressed;
mod fields;
mod layout;
mod mp3;
mod mp3_frame;
mod ogg;
mod opus;
mod opus_codec;
mod opus_packet;
mod pcm;
mod riff;
mod source;
#[cfg(test)]
mod tests;
mod window;

use std::path::{Path, PathBuf};

use self::source::Source;
use crate::{Error, Result, file};

/// Bytes by which a format is recognised.
const HEAD_BYTES: usize = 64;
/// Rates above this are taken for a damaged header, in Hz: twice that of the fastest converters.
const MAX_SAMPLE_RATE: u32 = 768_000;

/// An open sound file, read in blocks and mixed to one channel.
///
/// Wav (also RF64, RIFX and Wave64), AIFF, au and CAF files of integers, floats, A-law, µ-law and
/// ADPCM, flac, mp3, Ogg Vorbis and Ogg Opus are read. The format is recognised by the file's first
/// bytes, not by its name. Samples have the values that libsndfile gives them, which the reference
/// uses.
///
/// ```no_run
/// # fn main() -> native::Result<()> {
/// let mut file = native::audio::SoundFile::open("speech.flac")?;
/// let mut samples = Vec::new();
/// while file.read_block(&mut samples)? {}
/// println!("{} samples at {} Hz", samples.len(), file.sample_rate());
/// # Ok(())
/// # }
/// ```
pub struct SoundFile {
    path: PathBuf,
    format: Format,
    decoder: Box<dyn Decode>,
    /// Samples of all channels, kept for its memory.
    interleaved: Vec<f32>,
}

/// What a file's header says.
#[derive(Debug)]
struct Format {
    container: &'static str,
    encoding: &'static str,
    /// At least 1.
    channels: usize,
    /// Hz, at least 1.
    sample_rate: u32,
}

/// A decoder of one file.
trait Decode: Send {
    /// Appends some whole frames of interleaved samples, possibly none; `false` at the end.
    fn next(&mut self, samples: &mut Vec<f32>) -> std::result::Result<bool, String>;
}

impl SoundFile {
    /// Opens a sound file. A pipe is read to its end.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is neither a regular file nor a pipe, or is not a sound file that
    /// can be decoded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let source = Source::open(path)?;
        Self::of(source, path)
    }

    /// Opens a sound file that is in memory; `path` names it in messages.
    ///
    /// # Errors
    ///
    /// If it is not a sound file that can be decoded.
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self> {
        Self::of(Source::from(bytes), path.as_ref())
    }

    fn of(source: Source, path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str());
        let opened = open(source, extension).and_then(|(format, decoder)| {
            if (1..=MAX_SAMPLE_RATE).contains(&format.sample_rate) {
                Ok((format, decoder))
            } else {
                Err(format!(
                    "states a sample rate of {} Hz; 1 to {MAX_SAMPLE_RATE} Hz can be read",
                    format.sample_rate
                ))
            }
        });
        let (format, decoder) = opened.map_err(|reason| Error::format(path, reason))?;
        Ok(Self {
            path: path.to_owned(),
            format,
            decoder,
            interleaved: Vec::new(),
        })
    }

    /// Channels of the file, at least 1.
    pub fn channels(&self) -> usize {
        self.format.channels
    }

    /// Sample rate, Hz, at least 1.
    pub fn sample_rate(&self) -> u32 {
        self.format.sample_rate
    }

    /// The kind of file, such as `wav` or `mp3`.
    pub fn container(&self) -> &'static str {
        self.format.container
    }

    /// The kind of samples, such as `float 32 bit`.
    pub fn encoding(&self) -> &'static str {
        self.format.encoding
    }

    /// Appends the next samples, the mean over the channels, summed in float32 in channel order as
    /// torch does: at most some 100,000, possibly none. `false` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the file is damaged or can no longer be read.
    pub fn read_block(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        let channels = self.format.channels;
        if channels == 1 {
            return self
                .decoder
                .next(samples)
                .map_err(|reason| Error::format(&self.path, reason));
        }
        self.interleaved.clear();
        let more = self
            .decoder
            .next(&mut self.interleaved)
            .map_err(|reason| Error::format(&self.path, reason))?;
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        samples.extend(self.interleaved.chunks_exact(channels).map(mean));
        Ok(more)
    }
}

fn open(
    mut source: Source,
    extension: Option<&str>,
) -> std::result::Result<(Format, Box<dyn Decode>), String> {
    skip_id3(&mut source)?;
    let head = bytes_at(&mut source, 0, HEAD_BYTES)?;
    let layout = if head.is_empty() {
        return Err("the file is empty".to_owned());
    } else if let Some(kind) = riff::Kind::of(&head) {
        riff::layout(&mut source, kind)?
    } else if aiff::is_one(&head) {
        aiff::layout(&mut source)?
    } else if let Some(order) = au::order(&head) {
        au::layout(&mut source, order)?
    } else if caf::is_one(&head) {
        caf::layout(&mut source)?
    } else if opus::is_one(&head) {
        return opus::open(source);
    } else if compressed::is_one(&head) {
        return compressed::open(source);
    } else if is_mp3(&head) || extension.is_some_and(|e| e.eq_ignore_ascii_case("mp3")) {
        return mp3::open(source);
    } else {
        return Err(unknown(&head));
    };
    layout.open(source)
}

/// Whether a file begins with eleven set bits, as a stream of mp3 frames does.
fn is_mp3(head: &[u8]) -> bool {
    matches!(head, [0xff, second, ..] if second & 0xe0 == 0xe0)
}

/// Skips the ID3 tags that some programs put before any kind of file.
fn skip_id3(source: &mut Source) -> std::result::Result<(), String> {
    const HEADER_BYTES: u64 = 10;
    while let Ok(header) = <[u8; 10]>::try_from(bytes_at(source, 0, 10)?) {
        if !header.starts_with(b"ID3") {
            break;
        }
        let seven_bits = |size: u64, byte: &u8| size << 7 | u64::from(byte & 0x7f);
        let tag = HEADER_BYTES + header.iter().skip(6).fold(0, seven_bits);
        if tag >= source.size() {
            return Err(format!(
                "begins with an ID3 tag of {tag} bytes, and has {} in all: it contains no sound",
                source.size()
            ));
        }
        source.skip(tag);
    }
    Ok(())
}

/// What a file is that is not a sound file.
fn unknown(head: &[u8]) -> String {
    if let Some(what) = file::stand_in(head) {
        return what.to_owned();
    }
    let what = if head.get(4..8) == Some(b"ftyp") {
        "an MP4 or M4A file"
    } else if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        "a WebM or Matroska file"
    } else if head.starts_with(b"#!AMR") {
        "an AMR file"
    } else if head.starts_with(&[0x30, 0x26, 0xb2, 0x75]) {
        "a WMA file"
    } else {
        "not a wav, AIFF, au, CAF, flac, mp3 or Ogg file"
    };
    unreadable(what.to_owned())
}

/// A message on a file of a kind that is not read, with the way out.
fn unreadable(what: String) -> String {
    format!("{what}; convert it, for example with `ffmpeg -i FILE speech.wav`")
}

fn bytes_at(source: &mut Source, at: u64, count: usize) -> std::result::Result<Vec<u8>, String> {
    source
        .bytes_at(at, count)
        .map_err(|e| format!("cannot be read: {e}"))
}
