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

    /// What the last draw depended on beside its logits: everything drawn before it, and the id that
    /// could not be drawn.
    pub fn last_context(&self) -> (&[u32], Option<u32>) {
        match self {
            Self::Whole(decoding) => decoding.last_context(),
            Self::Arriving(bistream) => bistream.last_context(),
        }
    }

    /// How many times a token or a mark was drawn so far. Two streams with as many tokens may differ
    /// in it where one of them has asked for text at another place.
    pub fn draws(&self) -> usize {
        match self {
            Self::Whole(decoding) => {
                decoding.tokens().len() + usize::from(decoding.stop().is_some())
            }
            Self::Arriving(bistream) => bistream.draws(),
        }
    }

    /// Goes on as if the speech token `token` had been drawn last, in place of what was drawn, so
    /// that another engine's history can be followed. False, and nothing has changed, if nothing was
    /// drawn that it could replace: at the start, at the greatest length, and after a mark where the
    /// text arrives in pieces.
    pub fn follow(&mut self, token: u32) -> bool {
        match self {
            Self::Whole(decoding) => decoding.follow(token),
            Self::Arriving(bistream) => bistream.follow(token),
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
