//! A safe face of libopus's encoder, which `unsafe-libopus` is a translation of: its pointers end
//! here, and a failed assertion within it is an error like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use native::{Error, Result};
use unsafe_libopus::{
    OPUS_APPLICATION_AUDIO, OPUS_GET_LOOKAHEAD_REQUEST, OPUS_OK, OPUS_SET_BITRATE_REQUEST,
    opus_encode_float, opus_encoder_create, opus_encoder_ctl, opus_encoder_destroy,
};

/// Bits a second, on average: what is ample for one voice.
const BIT_RATE: i32 = 64_000;
/// Bytes of the longest packet (RFC 6716, 3.2.1, for one frame).
const LONGEST: usize = 1275;

/// The state of one sound's encoder.
pub(crate) struct OpusEncoder {
    state: NonNull<unsafe_libopus::OpusEncoder>,
    delay: usize,
}

// SAFETY: the state is one allocation, which this value alone refers to. It knows nothing of threads.
unsafe impl Send for OpusEncoder {}

impl OpusEncoder {
    /// An encoder of one channel at one of Opus's five rates, in Hz.
    pub(crate) fn new(sample_rate: u32) -> Result<Self> {
        let rate = i32::try_from(sample_rate).map_err(|_| failed("the rate is too high"))?;
        let mut error = OPUS_OK;
        // SAFETY: the arguments are plain numbers, which are checked inside.
        let state = unsafe { opus_encoder_create(rate, 1, OPUS_APPLICATION_AUDIO, &mut error) };
        let state = NonNull::new(state)
            .filter(|_| error == OPUS_OK)
            .ok_or_else(|| failed(format!("error {error}")))?;
        let mut encoder = Self { state, delay: 0 };
        let mut delay = 0_i32;
        // SAFETY: the state is alive, the first request takes an i32, the second the place of one.
        let done = unsafe {
            [
                opus_encoder_ctl!(state.as_ptr(), OPUS_SET_BITRATE_REQUEST, BIT_RATE),
                opus_encoder_ctl!(state.as_ptr(), OPUS_GET_LOOKAHEAD_REQUEST, &mut delay),
            ]
        };
        if done != [OPUS_OK; 2] {
            return Err(failed(format!("errors {done:?}")));
        }
        encoder.delay = usize::try_from(delay).map_err(failed)?;
        Ok(encoder)
    }

    /// By how many samples the sound comes out later than it went in.
    pub(crate) fn delay(&self) -> usize {
        self.delay
    }

    /// The packet of one frame of samples, of a duration that Opus has.
    pub(crate) fn encode(&mut self, frame: &[f32]) -> Result<Vec<u8>> {
        let samples = i32::try_from(frame.len()).map_err(failed)?;
        let mut packet = vec![0; LONGEST];
        // A state that was left halfway is not used again: the caller gives up after an error.
        let encoded = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the state is alive and borrowed, `frame` has `samples` samples of its one
            // channel, and `packet` has room for as many bytes as are said.
            unsafe {
                opus_encode_float(
                    self.state.as_ptr(),
                    frame.as_ptr(),
                    samples,
                    packet.as_mut_ptr(),
                    LONGEST as i32,
                )
            }
        }));
        let bytes = encoded.map_err(|_| failed("an assertion failed"))?;
        let bytes = usize::try_from(bytes).map_err(|_| failed(format!("error {bytes}")))?;
        packet.truncate(bytes);
        Ok(packet)
    }
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: the state was made by the crate, and is not used after this.
        unsafe { opus_encoder_destroy(self.state.as_ptr()) }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::input(format!("Opus cannot be written: {error}"))
}
