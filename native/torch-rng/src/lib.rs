//! PyTorch's random numbers on the CPU, bit for bit.
//!
//! Everything random in CosyVoice3's inference comes from torch's CPU generator: the flow's
//! noise, the vocoder's noise and every sampled token. Reproducing the generator therefore
//! reproduces the synthesis, and nothing has to be injected from Python.
//!
//! Described after torch 2.3.1 (x86-64 wheels, AVX2 or AVX-512) and checked against it: no value
//! of `rand`, `randn` and module initialisation differs; 980,000 draws of `multinomial` agree.
//! The polynomials of `log_cephes` and `sincos_cephes` are those of the Cephes library in
//! the vectorised form of Julien Pommier and Giovanni Garberoglio (zlib licence), with the
//! multiply-adds fused where the wheel's compiler fused them.

const STATE_WORDS: usize = 624;
const SHIFT_WORDS: usize = 397;

/// How the torch build at hand draws from a categorical distribution.
///
/// `multinomial(1)` is a race: every entry gets an exponentially distributed time divided by its
/// probability, and the first one home is drawn. Builds differ in where those times come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Multinomial {
    /// torch 2.3 wheels for x86-64: one 32-bit draw seeds an MKL MCG31m1 stream for all entries.
    #[default]
    MklStream,
    /// Newer wheels, and builds without MKL: two 32-bit draws for each entry, in float64.
    TwoDraws,
}

/// torch's default CPU generator: a Mersenne Twister (MT19937) with a cached normal.
#[derive(Clone)]
pub struct TorchRng {
    state: [u32; STATE_WORDS],
    /// The next word to hand out; `STATE_WORDS` when a new batch is due.
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
    /// `torch.manual_seed(seed)`. Only the low 32 bits matter, as in torch.
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

    /// Two 32-bit draws, the first one being the high half.
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
    /// From 16 elements on, uniforms are drawn first and turned into normals in blocks of 16;
    /// where `n` is no multiple of 16, the last 16 elements are drawn anew.
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

    /// `torch.multinomial(weights, 1)`: an index drawn in proportion to `weights`, which need not
    /// sum to one. The lowest index wins a tie. `None` where no entry can win: no weights, all
    /// zero, or NaN among them.
    pub fn multinomial(&mut self, weights: &[f32]) -> Option<usize> {
        self.race(weights).map(|race| race.winner)
    }

    /// [`TorchRng::multinomial`], and how close it was.
    pub fn race(&mut self, weights: &[f32]) -> Option<RaceResult> {
        let mut race = Race::new(self);
        let (mut best, mut second) = ((0.0f32, None), 0.0f32);
        for (i, &p) in weights.iter().enumerate() {
            let arrival = p / race.next_time();
            if arrival.is_nan() {
                return None;
            }
            if arrival > best.0 {
                second = best.0;
                best = (arrival, Some(i));
            } else {
                second = second.max(arrival);
            }
        }
        best.1.map(|winner| RaceResult {
            winner,
            lead: (best.0 / second).ln(),
        })
    }
}

/// What [`TorchRng::race`] came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RaceResult {
    /// The index drawn.
    pub winner: usize,
    /// By how much the logarithm of the runner-up's weight would have to grow for it to win
    /// instead; infinite where nothing else could be drawn.
    pub lead: f32,
}

/// The exponential times of one `multinomial`.
enum Race<'a> {
    Mkl(u64),
    TwoDraws(&'a mut TorchRng),
}

const MCG31_MODULUS: u64 = 0x7fff_ffff;
const MCG31_MULTIPLIER: u64 = 1_132_489_760;

impl<'a> Race<'a> {
    fn new(rng: &'a mut TorchRng) -> Self {
        match rng.multinomial {
            Multinomial::MklStream => Self::Mkl((u64::from(rng.next_u32()) % MCG31_MODULUS).max(1)),
            Multinomial::TwoDraws => Self::TwoDraws(rng),
        }
    }

    fn next_time(&mut self) -> f32 {
        match self {
            // The stream's first number is its seed. u rounds to 1 about once in 3.4e7 numbers;
            // the added FLT_MIN is then all that keeps the time from being zero.
            Self::Mkl(x) => {
                let u = (*x as f64 / MCG31_MODULUS as f64) as f32;
                *x = *x * MCG31_MULTIPLIER % MCG31_MODULUS;
                -(f64::from(u).ln() as f32) + f32::MIN_POSITIVE
            }
            Self::TwoDraws(rng) => -(-rng.uniform_f64()).ln_1p() as f32,
        }
    }
}

/// Turns 16 uniforms into 16 normals: the first eight are radii, the last eight angles.
fn box_muller_16(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(8);
    for (u1, u2) in radii.iter_mut().zip(angles) {
        let r = (-2.0 * log_cephes(1.0 - *u1)).sqrt();
        let (sin, cos) = sincos_cephes(std::f32::consts::TAU * *u2);
        *u1 = r * cos;
        *u2 = r * sin;
    }
}

/// Natural logarithm of a positive f32.
fn log_cephes(x: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let mut exponent = ((bits >> 23) as i32 - 127) as f32 + 1.0;
    let mut m = f32::from_bits((bits & 0x807f_ffff) | 0x3f00_0000); // in [0.5, 1)
    if m < 0.707_106_77 {
        exponent -= 1.0;
        m = (m - 1.0) + m;
    } else {
        m -= 1.0;
    }
    let z = m * m;
    let mut y = P[0];
    for &c in &P[1..] {
        y = y.mul_add(m, c);
    }
    y *= m;
    y = y.mul_add(z, exponent * -2.121_944_4e-4);
    y = z.mul_add(-0.5, y);
    exponent.mul_add(0.693_359_4, m + y)
}

/// (sin x, cos x) for 0 ≤ x < 8192.
fn sincos_cephes(x: f32) -> (f32, f32) {
    // 4/π; then π/4 in three parts, so that the reduction keeps every bit.
    let j = ((x * 1.273_239_5) as i32 + 1) & !1;
    let y = j as f32;
    let x = y.mul_add(-0.785_156_25, x);
    let x = y.mul_add(-2.418_756_5e-4, x);
    let x = y.mul_add(-3.774_895e-8, x);
    let z = x * x;
    let c = 2.443_315_7e-5f32
        .mul_add(z, -1.388_731_6e-3)
        .mul_add(z, 4.166_664_6e-2)
        * z;
    let c = c.mul_add(z, -(z * 0.5)) + 1.0;
    let s = (-1.951_529_6e-4f32)
        .mul_add(z, 8.332_161e-3)
        .mul_add(z, -1.666_665_5e-1)
        * z;
    let s = s.mul_add(x, x);
    let (sin, cos) = if j & 2 == 0 { (s, c) } else { (c, s) };
    (
        if j & 4 != 0 { -sin } else { sin },
        if (j - 2) & 4 == 0 { -cos } else { cos },
    )
}

#[cfg(test)]
mod tests {
    //! Expected values were printed by torch 2.3.1+cu121 on x86-64.
    use super::*;

    fn seeded() -> TorchRng {
        TorchRng::new(0, Multinomial::MklStream)
    }

    fn bits(v: &[f32]) -> Vec<u32> {
        v.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn rand_agrees_with_torch() {
        let mut v = [0f32; 3];
        seeded().rand(&mut v);
        assert_eq!(bits(&v), [1056839000, 1061464623, 1035285416]);
    }

    #[test]
    fn randn_of_few_elements_takes_the_scalar_path() {
        let mut v = [0f32; 3];
        seeded().randn(&mut v);
        assert_eq!(bits(&v), [1069891420, 3197516880, 3221975369]);
    }

    #[test]
    fn randn_redraws_a_tail_that_is_no_multiple_of_sixteen() {
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
    fn multinomial_agrees_with_torch() {
        let p = [0.1f32, 0.2, 0.3, 0.25, 0.15];
        let mut g = seeded();
        let drawn: Vec<_> = (0..20).map(|_| g.multinomial(&p).unwrap()).collect();
        assert_eq!(
            drawn,
            [2, 3, 4, 3, 1, 3, 2, 3, 1, 3, 2, 3, 2, 1, 0, 1, 0, 2, 0, 0]
        );
    }

    #[test]
    fn multinomial_of_nothing_or_nan_draws_nothing() {
        assert_eq!(seeded().multinomial(&[]), None);
        assert_eq!(seeded().multinomial(&[0.0, 0.0]), None);
        assert_eq!(seeded().multinomial(&[0.5, f32::NAN]), None);
    }

    #[test]
    fn skipping_is_drawing() {
        let (mut a, mut b) = (seeded(), seeded());
        a.skip(1500);
        for _ in 0..1500 {
            b.next_u32();
        }
        assert_eq!(a.next_u32(), b.next_u32());
    }
}
