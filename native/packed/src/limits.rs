//! What the processor can do at most, measured: the yardstick for every kernel here.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pulp::{NullaryFnOnce, Simd, WithSimd};

use crate::cpu::Cpu;

/// Bytes that are read for the reading speed: far beyond any cache.
const READ: usize = 512 << 20;
/// How long each limit is measured; the best of several short runs counts.
const RUN: Duration = Duration::from_millis(20);
const RUNS: usize = 10;

/// The limits of some threads together.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes read from memory in a second.
    pub read: f64,
    /// Operations in a second on float32, a fused multiply-add counted as two.
    pub f32: f64,
    /// The same on bfloat16, in vectors.
    pub bf16: Option<f64>,
    /// The same on 8-bit integers, in vectors.
    pub int8: Option<f64>,
    /// The same on bfloat16, in tiles.
    pub bf16_tiles: Option<f64>,
    /// The same on 8-bit integers, in tiles.
    pub int8_tiles: Option<f64>,
}

impl Limits {
    /// Measures what `threads` threads can do together, in about two seconds.
    pub fn measure(threads: usize) -> Self {
        let cpu = Cpu::detect();
        let data = vec![1u64; READ / size_of::<u64>()];
        let share = data.len().div_ceil(threads.max(1));
        let read = (0..RUNS).map(|_| {
            let begin = Instant::now();
            std::thread::scope(|scope| {
                for part in data.chunks(share) {
                    scope.spawn(|| black_box(pulp::Arch::new().dispatch(Sum(part))));
                }
            });
            READ as f64 / begin.elapsed().as_secs_f64()
        });
        let read = read.fold(0.0, f64::max);
        let rate = |work: &(dyn Fn(u64) -> u64 + Sync)| best(threads, work);
        Self {
            read,
            f32: rate(&|n| pulp::Arch::new().dispatch(Multiply(n))),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has what each needs.
            bf16: (cpu.avx512_bf16).then(|| rate(&|n| unsafe { x86::bf16(n) })),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            int8: (cpu.avx512_vnni).then(|| rate(&|n| unsafe { x86::int8(n) })),
            #[cfg(target_arch = "x86_64")]
            bf16_tiles: cpu.amx_bf16.then(|| rate(&crate::x86::tiles::spin_bf16)),
            #[cfg(target_arch = "x86_64")]
            int8_tiles: cpu.amx_int8.then(|| rate(&crate::x86::tiles::spin_bytes)),
            #[cfg(not(target_arch = "x86_64"))]
            bf16: None,
            #[cfg(not(target_arch = "x86_64"))]
            int8: None,
            #[cfg(not(target_arch = "x86_64"))]
            bf16_tiles: None,
            #[cfg(not(target_arch = "x86_64"))]
            int8_tiles: None,
        }
    }

    /// The most operations in a second on bfloat16, in vectors or tiles; float32's where the
    /// processor does not multiply bfloat16.
    pub fn best_bf16(&self) -> f64 {
        best_of(self.f32, [self.bf16, self.bf16_tiles])
    }

    /// The same on 8-bit integers.
    pub fn best_int8(&self) -> f64 {
        best_of(self.f32, [self.int8, self.int8_tiles])
    }
}

fn best_of(least: f64, others: [Option<f64>; 2]) -> f64 {
    others.into_iter().flatten().fold(least, f64::max)
}

struct Sum<'a>(&'a [u64]);

impl NullaryFnOnce for Sum<'_> {
    type Output = u64;

    #[inline(always)]
    fn call(self) -> u64 {
        sum(self.0)
    }
}

/// Adds up all elements, reading at two places at once, as a product reads two panels.
#[inline(always)]
fn sum(data: &[u64]) -> u64 {
    let (left, right) = data.split_at(data.len() / 2);
    let mut sums = [[0u64; 32]; 2];
    for (left, right) in left
        .as_chunks::<32>()
        .0
        .iter()
        .zip(right.as_chunks::<32>().0)
    {
        for i in 0..32 {
            sums[0][i] = sums[0][i].wrapping_add(left[i]);
            sums[1][i] = sums[1][i].wrapping_add(right[i]);
        }
    }
    sums.iter().flatten().fold(0, |a, b| a.wrapping_add(*b))
}

/// Operations in a second of all threads, where `work(n)` repeats itself `n` times and says how many
/// operations it did.
fn best(threads: usize, work: &(dyn Fn(u64) -> u64 + Sync)) -> f64 {
    let mut times = 1 << 10;
    loop {
        let begin = Instant::now();
        black_box(work(times));
        if begin.elapsed() >= RUN {
            break;
        }
        times *= 2;
    }
    let run = || {
        let begin = Instant::now();
        let operations: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.max(1))
                .map(|_| scope.spawn(|| work(times)))
                .collect();
            threads.into_iter().filter_map(|t| t.join().ok()).sum()
        });
        operations as f64 / begin.elapsed().as_secs_f64()
    };
    (0..RUNS).map(|_| run()).fold(0.0, f64::max)
}

/// Sums that do not wait for each other.
const CHAINS: usize = 12;

/// Fused multiply-adds in float32, this many times [`CHAINS`] vectors.
struct Multiply(u64);

impl WithSimd for Multiply {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        let mut sums = [simd.splat_f32s(black_box(0.0)); CHAINS];
        let (x, w) = (
            simd.splat_f32s(black_box(0.5)),
            simd.splat_f32s(black_box(0.5)),
        );
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(x, w, *sum);
            }
        }
        black_box(sums);
        self.0 * (CHAINS * S::F32_LANES * 2) as u64
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_setzero_si512,
    };
    use std::hint::black_box;
    use std::mem::transmute;

    use super::CHAINS;

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn bf16(times: u64) -> u64 {
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        // SAFETY: both are vectors of 512 bits, and any bits are bfloat16.
        let x: __m512bh = unsafe { transmute(black_box(_mm512_set1_epi32(0x3f00_3f00))) };
        for _ in 0..times {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, x, x);
            }
        }
        black_box(sums);
        times * (CHAINS * 16 * 2 * 2) as u64
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn int8(times: u64) -> u64 {
        let mut sums = [_mm512_setzero_si512(); CHAINS];
        let x: __m512i = black_box(_mm512_set1_epi32(0x0101_0101));
        for _ in 0..times {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, x, x);
            }
        }
        black_box(sums);
        times * (CHAINS * 16 * 4 * 2) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "measures time")]
    fn every_limit_that_the_processor_has_is_measured() {
        let (limits, cpu) = (Limits::measure(1), Cpu::detect());
        assert!(limits.read > 1e8 && limits.f32 > 1e8, "{limits:?}");
        assert_eq!(limits.bf16.is_some(), cpu.avx512_bf16);
        assert_eq!(limits.int8_tiles.is_some(), cpu.amx_int8);
        assert!(limits.best_bf16() >= limits.f32);
        assert!(limits.best_int8() >= limits.f32);
    }
}
