//! The state of torch's CPU generator as `torch.get_rng_state()` gives it: 5056 bytes, little-endian.

use crate::{Multinomial, STATE_WORDS, TorchRng};

/// Bytes of a state.
const STATE_BYTES: usize = 5056;
/// Words left before the state has to be regenerated, counted one too high: 1 if none is.
const LEFT: usize = 8;
/// Index of the next word.
const NEXT: usize = 16;
/// The words, 64 bits each.
const WORDS: usize = 24;
/// The cached normal, float64, and whether there is one.
const NORMAL: usize = WORDS + 8 * STATE_WORDS + 8;
const NORMAL_IS_VALID: usize = NORMAL + 16;

/// Bytes that are not a state of torch's CPU generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateError {
    bytes: usize,
}

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "these {} bytes are not a state of torch's CPU generator, as torch.get_rng_state() gives \
             it ({STATE_BYTES} bytes)",
            self.bytes
        )
    }
}

impl std::error::Error for StateError {}

impl TorchRng {
    /// The generator whose state `torch.get_rng_state()` gave.
    ///
    /// # Errors
    /// If `state` is not such a state.
    pub fn from_state(state: &[u8], multinomial: Multinomial) -> Result<Self, StateError> {
        let error = StateError { bytes: state.len() };
        if state.len() != STATE_BYTES {
            return Err(error);
        }
        let (left, next) = (u32_at(state, LEFT), u64_at(state, NEXT));
        let next = match (left, next) {
            // Seeded and not drawn from, or drawn to the last word.
            (1, 0 | 624) => STATE_WORDS,
            (2..=624, 1..=623) if u64::from(left) + next == 625 => next as usize,
            _ => return Err(error),
        };
        let mut words = [0; STATE_WORDS];
        for (word, bytes) in words.iter_mut().zip(state[WORDS..].chunks_exact(8)) {
            *word = u32::try_from(u64_at(bytes, 0)).map_err(|_| error)?;
        }
        let normal = f64::from_bits(u64_at(state, NORMAL));
        Ok(Self {
            state: words,
            next,
            cached_normal: (u32_at(state, NORMAL_IS_VALID) != 0).then_some(normal),
            multinomial,
        })
    }

    /// Puts this generator's position into a state that torch gave, for `torch.set_rng_state()`. The
    /// seed that `torch.initial_seed()` tells stays as it is.
    ///
    /// # Errors
    /// If `state` is not such a state; it is left as it is.
    pub fn write_state(&self, state: &mut [u8]) -> Result<(), StateError> {
        Self::from_state(state, self.multinomial)?;
        let left = (STATE_WORDS - self.next + 1) as u32;
        state[LEFT..LEFT + 4].copy_from_slice(&left.to_le_bytes());
        state[NEXT..NEXT + 8].copy_from_slice(&(self.next as u64).to_le_bytes());
        for (&word, bytes) in self.state.iter().zip(state[WORDS..].chunks_exact_mut(8)) {
            bytes.copy_from_slice(&u64::from(word).to_le_bytes());
        }
        let (normal, valid) = match self.cached_normal {
            Some(normal) => (normal, 1u32),
            None => (0.0, 0),
        };
        state[NORMAL..NORMAL + 8].copy_from_slice(&normal.to_bits().to_le_bytes());
        state[NORMAL_IS_VALID..NORMAL_IS_VALID + 4].copy_from_slice(&valid.to_le_bytes());
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    //! Expected values come from torch 2.3.1+cu121 on x86-64.
    use super::*;

    fn seeded() -> TorchRng {
        TorchRng::new(5, Multinomial::MklStream)
    }

    /// What torch gives after `manual_seed(5)`, but for the words.
    fn blank() -> Vec<u8> {
        let mut state = vec![0; STATE_BYTES];
        state[0] = 5;
        state[LEFT] = 1;
        state[12] = 1;
        state
    }

    fn written(rng: &TorchRng) -> Vec<u8> {
        let mut state = blank();
        rng.write_state(&mut state).unwrap();
        state
    }

    #[test]
    fn a_state_is_written_as_torch_writes_it() {
        // `torch.rand(1)`: left, next, and the first two words.
        let mut rng = seeded();
        rng.uniform_f32();
        let state = written(&rng);
        assert_eq!((u32_at(&state, LEFT), u64_at(&state, NEXT)), (624, 1));
        assert_eq!(u64_at(&state, WORDS), 4_081_643_083);
        assert_eq!(u64_at(&state, WORDS + 8), 713_234_725);
        // `torch.rand(623)` more uses it up.
        rng.skip(623);
        let state = written(&rng);
        assert_eq!((u32_at(&state, LEFT), u64_at(&state, NEXT)), (1, 624));
        // `torch.randn(1)` keeps the other half of its pair.
        rng.randn(&mut [0.0]);
        let state = written(&rng);
        assert_eq!((u32_at(&state, LEFT), u64_at(&state, NEXT)), (621, 4));
        assert_eq!(u64_at(&state, WORDS), 1_991_508_151);
        let normal = f64::from_bits(u64_at(&state, NORMAL));
        assert!(
            (normal + 0.161_807_121_357_148_42).abs() < 1e-15,
            "{normal}"
        );
        assert_eq!(u32_at(&state, NORMAL_IS_VALID), 1);
    }

    #[test]
    fn a_generator_goes_on_from_a_state_wherever_it_stands() {
        for draws in [0, 1, 7, 623, 624, 625, 2000] {
            let mut rng = seeded();
            rng.skip(draws);
            let mut again = TorchRng::from_state(&written(&rng), rng.multinomial).unwrap();
            for _ in 0..700 {
                assert_eq!(again.next_u32(), rng.next_u32(), "after {draws} draws");
            }
        }
    }

    #[test]
    fn what_is_not_a_state_is_refused_and_left_alone() {
        let mut short = vec![0; 100];
        let error = seeded().write_state(&mut short).unwrap_err();
        assert!(error.to_string().contains("these 100 bytes"), "{error}");
        for (at, byte) in [(LEFT, 0), (LEFT, 9), (NEXT, 3), (WORDS + 5, 1)] {
            let mut state = blank();
            state[at] = byte;
            let before = state.clone();
            assert!(seeded().write_state(&mut state).is_err(), "{at}");
            assert_eq!(state, before);
        }
    }
}
