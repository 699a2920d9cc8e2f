//! Mp3 files: the frames are found as libsndfile's mpg123 finds them, and decoded by symphonia.
//!
//! A prompt that was cut from a longer file begins in the middle of a stream. What a decoder makes
//! of its first frames, and how many samples it counts, is its own choice, and moves every speech
//! token of the prompt. So the choices of mpg123 are made here:
//!
//! - a frame counts as the first if a like one follows it;
//! - a frame that needs bytes of frames before it which are not there is silent, as a whole;
//! - the encoder's delay and padding are removed if a LAME tag states them;
//! - where another kind of frame begins, the sound ends;
//! - without a Xing or Info tag the length is an estimate from the file's size and the first frame's,
//!   and more than that is not read.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;

use super::fields::Order;
use super::mp3_frame::{Header, InfoTag};
use super::source::Source;
use super::window::Window;
use super::{Decode, Format};

/// Bytes without a frame after which mpg123 gives up: before the first frame, and after it.
const JUNK_BYTES: (u32, u32) = (65_536, 1024);
/// How an ID3 tag of the first kind begins, which stands at the end: `TAG`.
const TAG: u32 = 0x0054_4147;
/// Samples by which any decoder's output is late.
const DECODER_DELAY: u64 = 529;

/// Opens an mp3 file.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn open(source: Source) -> Result<(Format, Box<dyn Decode>), String> {
    let bytes = source.size();
    let mut frames = Frames {
        window: Window::new(source),
        at: 0,
        first: None,
        reservoir: 0,
        other: None,
    };
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(CODEC_ID_MP3);
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|e| format!("cannot be decoded: {e}"))?;

    let Some((header, frame)) = frames.next()? else {
        let other = frames.other.unwrap_or_else(|| {
            "cannot be decoded: no mp3 frame was found that another one follows".to_owned()
        });
        return Err(other);
    };
    let per_frame = header.samples() as u64;
    let tag = InfoTag::of(&header, &frame);
    let (skipped, length) = match &tag {
        Some(InfoTag { frames: 0, .. }) | None => {
            let tagged = frames.ends_with_a_tag()?;
            let sound_bytes = bytes.saturating_sub(if tagged { 128 } else { 0 });
            let first = match &tag {
                None => header.bytes,
                // The tag's frame is none of the sound's.
                Some(_) => frames.peek()?.map_or(header.bytes, |next| next.bytes),
            };
            (0, estimated_length(sound_bytes, first, per_frame))
        }
        Some(InfoTag {
            frames,
            delay,
            padding,
        }) => {
            let skipped = DECODER_DELAY + u64::from(*delay);
            let length = (u64::from(*frames) * per_frame).saturating_sub(match (delay, padding) {
                (0, 0) => DECODER_DELAY,
                (delay, padding) => u64::from(delay + padding),
            });
            (skipped, length)
        }
    };
    let format = Format {
        container: "mp3",
        encoding: "mp3",
        channels: header.channels,
        sample_rate: header.sample_rate,
    };
    let sound = Mp3 {
        frames,
        decoder,
        pending: tag.is_none().then_some((header, frame)),
        skipped,
        left: length,
    };
    Ok((format, Box::new(sound)))
}

/// Samples per channel of a stream whose frames are all as long as its first, as mpg123 estimates.
#[cfg_attr(
    not(test),
    expect(clippy::cast_possible_truncation, reason = "mpg123 truncates it")
)]
fn estimated_length(bytes: u64, first: usize, per_frame: u64) -> u64 {
    (bytes as f64 / first as f64 * per_frame as f64) as u64
}

struct Mp3 {
    frames: Frames,
    decoder: Box<dyn AudioDecoder>,
    /// The first frame, which was read to see whether it is a tag.
    pending: Option<(Header, Vec<u8>)>,
    /// Samples per channel yet to be left out.
    skipped: u64,
    /// Samples per channel yet to be given.
    left: u64,
}

impl Decode for Mp3 {
    fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, String> {
        if self.left == 0 {
            return Ok(false);
        }
        let next = match self.pending.take() {
            Some(frame) => Some(frame),
            None => self.frames.next()?,
        };
        let Some((header, mut frame)) = next else {
            return Ok(false);
        };
        self.frames.mend(&header, &mut frame);
        let packet = PacketRef::new(
            0,
            Default::default(),
            (header.samples() as u64).into(),
            &frame,
        );
        let mut decoded = Vec::new();
        if let Ok(buffer) = self.decoder.decode_ref(&packet) {
            buffer.copy_to_vec_interleaved(&mut decoded);
        }
        // A damaged frame is silent, as in mpg123.
        decoded.resize(header.samples() * header.channels, 0.0);
        let frames = header.samples() as u64;
        let from = self.skipped.min(frames);
        let until = frames.min(from + self.left);
        self.skipped -= from;
        self.left -= until - from;
        let frames = decoded.chunks_exact(header.channels);
        let heard = (0..)
            .zip(frames)
            .filter(|(at, _)| (from..until).contains(at));
        samples.extend(heard.flat_map(|(_, frame)| frame));
        Ok(true)
    }
}

/// The frames of a stream, in order.
struct Frames {
    window: Window,
    at: u64,
    first: Option<Header>,
    /// Bytes of earlier frames that a frame can refer to.
    reservoir: usize,
    /// What the file begins with instead of an mp3 frame.
    other: Option<String>,
}

impl Frames {
    /// The next frame, whole; `None` at the end of the stream.
    fn next(&mut self) -> Result<Option<(Header, Vec<u8>)>, String> {
        let mut junk = 0;
        let limit = if self.first.is_none() {
            JUNK_BYTES.0
        } else {
            JUNK_BYTES.1
        };
        while let Some(word) = self.word(self.at)? {
            let at = self.at;
            let end = |header: &Header| at + header.bytes as u64;
            let header = match (Header::parse(word), self.first) {
                (Some(Ok(header)), Some(first)) if header.is_like(&first) => header,
                // Something else begins: libsndfile reads no further.
                (Some(_), Some(_)) => return Ok(None),
                (Some(Ok(header)), None) if self.is_followed(&header, end(&header))? => header,
                (None, Some(_)) if word >> 8 == TAG => {
                    self.at += 128;
                    continue;
                }
                (other, first) => {
                    if let (Some(Err(reason)), 0) = (other, self.at) {
                        self.other = Some(reason);
                    }
                    (self.at, self.reservoir, junk) = (self.at + 1, 0, junk + 1);
                    if junk < limit {
                        continue;
                    }
                    return match first {
                        None => Ok(None),
                        Some(_) => Err(format!(
                            "is damaged: there is no mp3 frame in the {limit} bytes before byte {}",
                            self.at
                        )),
                    };
                }
            };
            let end = end(&header);
            let Some(frame) = self.window.get(self.at, header.bytes)? else {
                return Ok(None);
            };
            let frame = frame.to_vec();
            self.first.get_or_insert(header);
            self.at = end;
            return Ok(Some((header, frame)));
        }
        Ok(None)
    }

    /// Whether a frame like this one begins at `end`.
    fn is_followed(&mut self, header: &Header, end: u64) -> Result<bool, String> {
        let next = self.word(end)?.and_then(Header::parse);
        Ok(next.is_some_and(|next| next.is_ok_and(|next| next.is_like(header))))
    }

    fn word(&mut self, at: u64) -> Result<Option<u32>, String> {
        let bytes = self.window.get(at, 4)?;
        Ok(bytes.and_then(|bytes| Order::Big.u32(bytes, 0)))
    }

    /// The header at the present place.
    fn peek(&mut self) -> Result<Option<Header>, String> {
        let word = self.word(self.at)?;
        Ok(word.and_then(Header::parse).and_then(Result::ok))
    }

    fn ends_with_a_tag(&mut self) -> Result<bool, String> {
        let Some(at) = self.window.size().checked_sub(128) else {
            return Ok(false);
        };
        Ok(self.window.get(at, 3)? == Some(b"TAG"))
    }

    /// Makes a frame silent that refers to bytes which are not there, without losing its own bytes,
    /// to which the next frames refer.
    fn mend(&mut self, header: &Header, frame: &mut [u8]) {
        if header.main_data_begin(frame) > self.reservoir {
            header.silence(frame, self.reservoir);
        }
        let body = header.bytes - header.side_information_end();
        self.reservoir = (self.reservoir + body).min(header.longest_reference());
    }
}
