use super::{Bistream, Decoding, Draw, Generation, Stop};
use crate::Result;

/// The speech tokens of one segment as they are sampled, from a whole text or from pieces.
pub enum TokenStream<'a> {
    /// The whole text is known.
    Whole(Decoding<'a>),
    /// The text arrives in pieces.
    Arriving(Bistream<'a>),
}

impl TokenStream<'_> {
    /// The tokens so far.
    pub fn tokens(&self) -> &[u32] {
        match self {
            Self::Whole(decoding) => decoding.tokens(),
            Self::Arriving(bistream) => bistream.tokens(),
        }
    }

    /// Why the tokens ended; `None` while more may follow.
    pub fn stop(&self) -> Option<Stop> {
        match self {
            Self::Whole(decoding) => decoding.stop(),
            Self::Arriving(bistream) => bistream.stop(),
        }
    }

    /// The logits that the last token, or the mark that ended the speech, was drawn from.
    pub fn logits(&self) -> &[f32] {
        match self {
            Self::Whole(decoding) => decoding.logits(),
            Self::Arriving(bistream) => bistream.logits(),
        }
    }

    /// How it was drawn ([`super::Sampler::last_draw`]).
    pub fn last_draw(&self) -> Option<&Draw> {
        match self {
            Self::Whole(decoding) => decoding.last_draw(),
            Self::Arriving(bistream) => bistream.last_draw(),
        }
    }

    /// The tokens so far, and why they ended.
    pub fn finish(self) -> Generation {
        match self {
            Self::Whole(decoding) => decoding.finish(),
            Self::Arriving(bistream) => bistream.finish(),
        }
    }
}

impl Iterator for TokenStream<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        match self {
            Self::Whole(decoding) => decoding.next(),
            Self::Arriving(bistream) => bistream.next(),
        }
    }
}
