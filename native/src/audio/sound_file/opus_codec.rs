//! A safe face of the Opus decoder.
//!
//! `unsafe-libopus` is libopus 1.3.1 itself, the version that the reference's soundfile carries,
//! translated to Rust by a machine. Its samples are within 3e-7 of the reference's on every encoded
//! file that was tried; those of no decoder that was written in safe Rust were (DESIGN.md). So its
//! pointers end here: nothing of it leaves this file, and a failed assertion within it is an error
//! like any other.
//!
//! One thing it gets wrong: what the speech coder makes up for a frame that is not there is at full
//! scale (`0x8000`, in the original a 16-bit number, became 32,768). Where that would be heard, the
//! sound is refused: after an encoder that leaves out pauses (DTX), and where one coder follows the
//! other without the overlap that encoders put there.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use unsafe_libopus::{
    OPUS_BUFFER_TOO_SMALL, OPUS_OK, OPUS_SET_GAIN_REQUEST, OpusMSDecoder,
    opus_multistream_decode_float, opus_multistream_decoder_create, opus_multistream_decoder_ctl,
    opus_multistream_decoder_destroy,
};

use super::opus_packet::{self, Part};

/// How streams of one or two channels make up the channels of a sound.
#[derive(Debug, PartialEq)]
pub(super) struct Channels {
    pub(super) streams: u8,
    /// Those of the streams that have two channels; they come first.
    pub(super) coupled: u8,
    /// The stream's channel for each of the sound's; 255 is silent.
    pub(super) mapping: Vec<u8>,
}

/// Why a packet was not decoded.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// It lasts longer than was allowed.
    TooLong,
    Damaged,
    /// A frame of speech is missing, and would be made up wrongly.
    MadeUp,
}

/// The state of one sound's decoder.
pub(super) struct Decoder {
    state: NonNull<OpusMSDecoder>,
    channels: usize,
    /// For each stream, whether its last frame was of the speech coder.
    was_speech: Vec<bool>,
    /// Full scale, amplified by the gain.
    full_scale: f32,
    /// Hz.
    sample_rate: usize,
}

// SAFETY: the state is one allocation, which this value alone refers to. It knows nothing of threads.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder to `sample_rate` Hz, one of Opus's five, with `gain` in 1/256 dB; `None` if the
    /// channels do not fit the streams.
    pub(super) fn new(sample_rate: i32, channels: &Channels, gain: i16) -> Option<Self> {
        let count = u8::try_from(channels.mapping.len()).ok()?;
        let mut error = OPUS_OK;
        // SAFETY: the mapping has as many bytes as there are channels; all else is checked inside.
        let state = unsafe {
            opus_multistream_decoder_create(
                sample_rate,
                count.into(),
                channels.streams.into(),
                channels.coupled.into(),
                channels.mapping.as_ptr(),
                &mut error,
            )
        };
        let state = NonNull::new(state).filter(|_| error == OPUS_OK)?;
        let decoder = Self {
            state,
            channels: count.into(),
            was_speech: vec![false; channels.streams.into()],
            full_scale: 10_f32.powf(f32::from(gain) / 256.0 / 20.0),
            sample_rate: usize::try_from(sample_rate).ok()?,
        };
        // SAFETY: the state is alive, and this request takes an i32.
        let set = unsafe {
            opus_multistream_decoder_ctl!(
                decoder.state.as_ptr(),
                OPUS_SET_GAIN_REQUEST,
                i32::from(gain)
            )
        };
        (set == OPUS_OK).then_some(decoder)
    }

    /// Appends the samples of a packet that lasts at most `longest` frames, interleaved, and says how
    /// many frames they are. In place of an empty packet, `longest` frames are made up.
    pub(super) fn decode(
        &mut self,
        packet: &[u8],
        longest: usize,
        samples: &mut Vec<f32>,
    ) -> Result<usize, Failure> {
        let bytes = i32::try_from(packet.len()).map_err(|_| Failure::Damaged)?;
        let frames = i32::try_from(longest).map_err(|_| Failure::Damaged)?;
        // Whether a damaged packet is refused is left to the decoder.
        let parts = opus_packet::parts(packet, self.was_speech.len());
        if packet.is_empty() && self.was_speech.contains(&true) {
            return Err(Failure::MadeUp);
        }
        let start = samples.len();
        samples.resize(start + longest * self.channels, 0.0);
        let out = samples.get_mut(start..).unwrap_or_default();
        // A state that was left halfway is not used again: the caller gives up after an error.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the state is alive and borrowed, `packet` has `bytes` bytes, and `out` has room
            // for `frames` frames of the channels the state was made for.
            unsafe {
                opus_multistream_decode_float(
                    self.state.as_ptr(),
                    packet.as_ptr(),
                    bytes,
                    out.as_mut_ptr(),
                    frames,
                    0,
                )
            }
        }));
        let decoded = match decoded {
            Ok(OPUS_BUFFER_TOO_SMALL) => Err(Failure::TooLong),
            Ok(decoded) => usize::try_from(decoded).map_err(|_| Failure::Damaged),
            Err(_) => Err(Failure::Damaged),
        };
        let given = decoded.as_ref().map_or(0, |frames| frames * self.channels);
        samples.truncate(start + given);
        let frames = decoded?;
        if let Some(parts) = parts {
            let heard = samples.get(start..).unwrap_or_default();
            self.note(&parts, heard)?;
        }
        Ok(frames)
    }

    /// Notes of which coder each stream's last frame was.
    ///
    /// # Errors
    ///
    /// If `samples` has speech that was made up.
    fn note(&mut self, parts: &[Part], samples: &[f32]) -> Result<(), Failure> {
        let mut switches = false;
        for (was_speech, part) in self.was_speech.iter_mut().zip(parts) {
            for &size in &part.sizes {
                if size > 1 {
                    switches |= *was_speech && !part.is_speech;
                    *was_speech = part.is_speech;
                } else if *was_speech {
                    return Err(Failure::MadeUp);
                }
            }
        }
        if switches && self.begins_at_full_scale(samples) {
            return Err(Failure::MadeUp);
        }
        Ok(())
    }

    /// Whether a channel is at full scale from 1.5 to 2.5 ms, for as long as what was made up at a
    /// switch is heard alone. It begins before, with a delay and a ripple.
    fn begins_at_full_scale(&self, samples: &[f32]) -> bool {
        let (from, until) = (self.sample_rate * 3 / 2000, self.sample_rate / 400);
        let least = 0.9 * self.full_scale;
        (0..self.channels).any(|channel| {
            let samples = samples.iter().skip(channel).step_by(self.channels);
            let mut plateau = samples.take(until).skip(from).peekable();
            plateau.peek().is_some() && plateau.all(|&sample| sample >= least)
        })
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the state was made by the crate, and is not used after this.
        unsafe { opus_multistream_decoder_destroy(self.state.as_ptr()) }
    }
}
