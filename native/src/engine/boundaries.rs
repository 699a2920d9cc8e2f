use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tokens of the first chunk of a fresh [`Hop`].
const FIRST_HOP: usize = 25;
/// Tokens that a hop grows to.
const LONGEST_HOP: usize = 100;
/// How much longer each hop is than the one before.
const GROWTH: usize = 2;

/// The number of speech tokens in the next streamed chunk: 25 at first, doubled after each chunk up
/// to 100.
///
/// The reference keeps this number in its model object and never resets it, so its second request
/// begins with the hop that the first one ended with (`CosyVoice2Model.token_hop_len`). Here it
/// belongs to the caller: a fresh hop for each request always starts quickly, and a hop that is
/// reused chunks as the reference does. Clones share their number.
#[derive(Clone, Debug)]
pub struct Hop(Arc<AtomicUsize>);

impl Default for Hop {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(FIRST_HOP)))
    }
}

impl Hop {
    /// The number of tokens.
    pub fn tokens(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn grow(&self) {
        let grown = (self.tokens() * GROWTH).min(LONGEST_HOP);
        self.0.store(grown, Ordering::Relaxed);
    }
}

/// Decides where the speech tokens of one segment are cut into chunks.
///
/// Only the tokens decide, never the timing of threads. The reference has one timing-dependent case,
/// a padded first chunk longer than the next hop: its boundary depends on whether the language model
/// has finished by then. Here the model is taken to have finished.
#[derive(Debug)]
pub(super) struct Boundaries {
    hop: Hop,
    /// Extra tokens of the first chunk, so that it ends with a chunk of the attention mask.
    pad: usize,
    lookahead: usize,
    spoken: usize,
    /// Length of the previous chunk.
    last: usize,
}

/// A chunk: tokens `from..to` are spoken, and those up to `known` are context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) known: usize,
}

impl Boundaries {
    /// For a voice prompt of `prompt` speech tokens and a flow that looks `lookahead` tokens ahead.
    pub(super) fn new(prompt: usize, lookahead: usize, hop: Hop) -> Self {
        Self {
            pad: prompt.next_multiple_of(hop.tokens()) - prompt,
            lookahead,
            spoken: 0,
            last: 0,
            hop,
        }
    }

    /// The next chunk, except the last one, if `known` tokens suffice for it.
    pub(super) fn next(&mut self, known: usize) -> Option<Cut> {
        let pad = if self.spoken == 0 { self.pad } else { 0 };
        let length = self.hop.tokens() + pad;
        if known < self.spoken + length.max(self.last) + self.lookahead {
            return None;
        }
        let from = self.spoken;
        self.spoken += length;
        self.last = length;
        self.hop.grow();
        Some(Cut {
            from,
            to: self.spoken,
            known: self.spoken + self.lookahead,
        })
    }

    /// The last chunk, once all `known` tokens are there: what the others left.
    pub(super) fn last(self, known: usize) -> Cut {
        Cut {
            from: self.spoken,
            to: known,
            known,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOOKAHEAD: usize = 3;

    /// Ends of all chunks where tokens come one by one.
    fn ends(prompt: usize, tokens: usize, hop: &Hop) -> Vec<usize> {
        let mut boundaries = Boundaries::new(prompt, LOOKAHEAD, hop.clone());
        let mut ends = Vec::new();
        for known in 1..=tokens {
            while let Some(cut) = boundaries.next(known) {
                assert_eq!(cut.from, ends.last().copied().unwrap_or(0));
                assert!(cut.known <= known);
                ends.push(cut.to);
            }
        }
        ends.push(boundaries.last(tokens).to);
        ends
    }

    /// The loop of the reference's `CosyVoice2Model.tts` over tokens that are all there, as in
    /// voice conversion.
    fn reference(prompt: usize, tokens: usize, hop: &mut usize) -> Vec<usize> {
        let (mut offset, mut ends) = (0, Vec::new());
        let pad = prompt.div_ceil(*hop) * *hop - prompt;
        loop {
            let length = if offset == 0 { *hop + pad } else { *hop };
            if tokens - offset >= length + LOOKAHEAD {
                offset += length;
                ends.push(offset);
                *hop = (*hop * 2).min(100);
            }
            if tokens - offset < length + LOOKAHEAD {
                break;
            }
        }
        ends.push(tokens);
        ends
    }

    #[test]
    fn hops_grow_to_a_hundred_tokens_and_stay_there() {
        let hop = Hop::default();
        // 60 prompt tokens want 15 more to a multiple of 25.
        assert_eq!(ends(60, 420, &hop), [40, 90, 190, 290, 390, 420]);
        assert_eq!(hop.tokens(), 100);
        // The next request begins where this one ended.
        assert_eq!(ends(60, 283, &hop), [140, 240, 283]);
        // One token less, and the reference stops cutting after its long first chunk.
        assert_eq!(ends(60, 282, &hop), [140, 282]);
        assert_eq!(ends(50, 60, &Hop::default()), [25, 60]);
    }

    #[test]
    fn a_chunk_waits_for_its_lookahead_tokens() {
        let mut boundaries = Boundaries::new(0, LOOKAHEAD, Hop::default());
        assert_eq!(boundaries.next(27), None);
        let cut = Cut {
            from: 0,
            to: 25,
            known: 28,
        };
        assert_eq!(boundaries.next(28), Some(cut));
        assert_eq!(boundaries.next(28), None);
    }

    proptest! {
        #[test]
        fn chunks_end_where_those_of_the_reference_do(
            prompt in 0..400usize,
            requests in proptest::collection::vec(0..700usize, 1..4),
        ) {
            let (hop, mut reference_hop) = (Hop::default(), FIRST_HOP);
            for tokens in requests {
                let wanted = reference(prompt, tokens, &mut reference_hop);
                prop_assert_eq!(ends(prompt, tokens, &hop), wanted);
                prop_assert_eq!(hop.tokens(), reference_hop);
            }
        }
    }
}
