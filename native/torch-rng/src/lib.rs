#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod multinomial;
mod normal;
mod state;

pub use multinomial::{Multinomial, RaceResult};
pub use state::StateError;

use normal::box_muller_16;

const STATE_WORDS: usize = 624;
const SHIFT_WORDS: usize = 397;

/// PyTorch's default CPU generator: a Mersenne Twister (MT19937) with a cached normal.
#[derive(Clone, PartialEq)]
pub struct TorchRng {
    state: [u32; STATE_WORDS],
    /// Index of the next word to return; `STATE_WORDS` if the state must be regenerated first.
    next: usize,
    cached_normal: Option<f64>,
    multinomial: Multinomial,
}

impl std::fmt::Debug for TorchRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TorchRng")
            .field("multinomial", &self.multinomial)
            .finish_non_exhaustive()
    }
}

impl TorchRng {
    /// `torch.manual_seed(seed)`. Only the low 32 bits of the seed matter, as in PyTorch.
    pub fn new(seed: u64, multinomial: Multinomial) -> Self {
        let mut state = [0u32; STATE_WORDS];
        state[0] = seed as u32;
        for j in 1..STATE_WORDS {
            let p = state[j - 1];
            state[j] = 1_812_433_253u32
                .wrapping_mul(p ^ (p >> 30))
                .wrapping_add(j as u32);
        }
        Self {
            state,
            next: STATE_WORDS,
            cached_normal: None,
            multinomial,
        }
    }

    fn regenerate(&mut self) {
        let s = &mut self.state;
        for i in 0..STATE_WORDS {
            let y = (s[i] & 0x8000_0000) | (s[(i + 1) % STATE_WORDS] & 0x7fff_ffff);
            let mag = if y & 1 != 0 { 0x9908_b0df } else { 0 };
            s[i] = s[(i + SHIFT_WORDS) % STATE_WORDS] ^ (y >> 1) ^ mag;
        }
        self.next = 0;
    }

    /// One 32-bit draw.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == STATE_WORDS {
            self.regenerate();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Two 32-bit draws, the first of which is the high half.
    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        (high << 32) | u64::from(self.next_u32())
    }

    /// Discards `n` 32-bit draws.
    pub fn skip(&mut self, mut n: u64) {
        while n > 0 {
            if self.next == STATE_WORDS {
                self.regenerate();
            }
            let step = n.min((STATE_WORDS - self.next) as u64);
            self.next += step as usize;
            n -= step;
        }
    }

    /// One element of `torch.rand` in float32: the low 24 bits of one draw, in [0, 1).
    pub fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() & 0xff_ffff) as f32 * (1.0 / 16_777_216.0)
    }

    /// One element of `torch.rand` in float64: the low 53 bits of two draws, in [0, 1).
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() & ((1 << 53) - 1)) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `torch.rand(n)`, float32.
    pub fn rand(&mut self, out: &mut [f32]) {
        out.fill_with(|| self.uniform_f32());
    }

    /// `torch.randn(n)`, float32 and contiguous.
    ///
    /// For 16 elements or more, PyTorch draws all uniforms first and transforms them in blocks of
    /// 16. If `n` is not a multiple of 16, it draws the last 16 elements again.
    pub fn randn(&mut self, out: &mut [f32]) {
        let n = out.len();
        if n < 16 {
            out.fill_with(|| self.scalar_normal() as f32);
            return;
        }
        self.rand(out);
        for block in out.chunks_exact_mut(16) {
            box_muller_16(block);
        }
        if !n.is_multiple_of(16) {
            let tail = &mut out[n - 16..];
            self.rand(tail);
            box_muller_16(tail);
        }
    }

    fn scalar_normal(&mut self) -> f64 {
        if let Some(z) = self.cached_normal.take() {
            return z;
        }
        let angle = self.uniform_f64();
        let radius = self.uniform_f64();
        let r = (-2.0 * (-radius).ln_1p()).sqrt();
        let theta = 2.0 * std::f64::consts::PI * angle;
        self.cached_normal = Some(r * theta.sin());
        r * theta.cos()
    }
}

#[cfg(test)]
mod tests {
    //! Expected values come from torch 2.3.1+cu121 on x86-64.
    use super::*;

    fn seeded() -> TorchRng {
        TorchRng::new(0, Multinomial::MklStream)
    }

    fn bits(v: &[f32]) -> Vec<u32> {
        v.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn rand_matches_torch() {
        let mut v = [0f32; 3];
        seeded().rand(&mut v);
        assert_eq!(bits(&v), [1056839000, 1061464623, 1035285416]);
    }

    #[test]
    fn randn_of_fewer_than_16_elements_takes_the_scalar_path() {
        let mut v = [0f32; 3];
        seeded().randn(&mut v);
        assert_eq!(bits(&v), [1069891420, 3197516880, 3221975369]);
    }

    #[test]
    fn randn_redraws_the_tail_if_the_length_is_not_a_multiple_of_16() {
        let mut v = [0f32; 17];
        seeded().randn(&mut v);
        let torch = [
            0xbf901b85, 0xbfd91446, 0x3f111004, 0x3f4b235d, 0x3f194d8b, 0xbfc70d5b, 0xbeaec6ca,
            0x3fed2f4e, 0x3eefaa55, 0xbf15e32b, 0xbe318eeb, 0x3e3be1a4, 0x3fb1d6c0, 0x3fcb0d00,
            0x3f72409c, 0xbf57fb33, 0x3f6e8c30,
        ];
        assert_eq!(bits(&v), torch);
    }

    #[test]
    fn multinomial_matches_torch() {
        let p = [0.1f32, 0.2, 0.3, 0.25, 0.15];
        let mut g = seeded();
        let drawn: Vec<_> = (0..20).map(|_| g.multinomial(&p).unwrap()).collect();
        assert_eq!(
            drawn,
            [2, 3, 4, 3, 1, 3, 2, 3, 1, 3, 2, 3, 2, 1, 0, 1, 0, 2, 0, 0]
        );
    }

    #[test]
    fn multinomial_of_no_weights_zero_weights_or_nan_is_none() {
        assert_eq!(seeded().multinomial(&[]), None);
        assert_eq!(seeded().multinomial(&[0.0, 0.0]), None);
        assert_eq!(seeded().multinomial(&[0.5, f32::NAN]), None);
    }

    #[test]
    fn skip_advances_as_far_as_drawing() {
        let (mut a, mut b) = (seeded(), seeded());
        a.skip(1500);
        for _ in 0..1500 {
            b.next_u32();
        }
        assert_eq!(a.next_u32(), b.next_u32());
    }
}
