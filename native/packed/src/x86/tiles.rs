//! Products in the tiles of AMX: of bfloat16, and of 8-bit integers.
//!
//! Stable Rust has no functions for these instructions, so they are written out here, a handful.

use std::arch::asm;
use std::arch::x86_64::{
    _mm512_cvtepi32_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_sub_epi32,
};

use crate::panel::{PANEL, Words};
use crate::rows::Bytes;
use crate::tasks::{Cut, Kernel, TASK_OUTPUTS, Task};
use crate::{bf16, int8, rows};

/// Rows of a tile, and of the two that are computed side by side.
const TILE: usize = 16;
const TILES: usize = 2 * TILE;
/// Fewest rows for which tiles are faster than vectors.
const FEWEST_ROWS: usize = 12;
/// Words of a tile's rows.
const WORDS: usize = 16;
/// Rows of a task: their run stays in the second-level cache.
const TASK_ROWS: usize = 8 * TILES;
/// Words of a run of bfloat16: those of two panels stay in the first-level cache.
const RUN: usize = 16 * WORDS;

/// Which tiles the processor has and the operating system allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) bf16: bool,
    pub(crate) int8: bool,
}

/// Asks the operating system for the use of tiles in this process.
#[cfg(target_os = "linux")]
pub(crate) fn allowed() -> Allowed {
    use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};

    const REQUEST_PERMISSION: libc::c_int = 0x1023;
    const TILE_DATA: libc::c_int = 18;
    if __get_cpuid_max(0).0 < 7 {
        return Allowed::default();
    }
    let features = __cpuid_count(7, 0).edx;
    let [bf16, tile, int8] = [22, 24, 25].map(|bit| features >> bit & 1 == 1);
    // SAFETY: the call takes two numbers and touches no memory of this process.
    let granted =
        tile && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 };
    Allowed {
        bf16: granted && bf16,
        int8: granted && int8,
    }
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed() -> Allowed {
    Allowed::default()
}

/// The layout of all eight tiles: sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static LAYOUT: Layout = Layout {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The tiles of this thread, set up as long as this lives.
struct Configured;

impl Configured {
    /// # Safety
    /// The processor has tiles, and the operating system allows them.
    unsafe fn new() -> Self {
        // SAFETY: the layout has the 64 bytes that are read, and describes tiles that there are.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const LAYOUT, options(nostack, readonly)) };
        Self
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: the tiles have been set up, so the processor has them.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Sums of 32 rows and 32 outputs.
type Sums<T> = [[T; TASK_OUTPUTS]; TILES];

/// Writes a function that multiplies two by two tiles.
macro_rules! product {
    ($(#[$doc:meta])* $name:ident, $sum:ty, $multiply:literal) => {
        $(#[$doc])*
        ///
        /// `x` has [`TILES`] rows of `stride` words, of which `steps` times [`WORDS`] are read, and
        /// each panel has as many.
        ///
        /// # Safety
        /// The tiles are set up, and the processor has the instruction.
        unsafe fn $name(x: &[u32], stride: usize, panels: [&[Words]; 2], steps: usize, sums: &mut Sums<$sum>) {
            assert!(x.len() >= (TILES - 1) * stride + steps * WORDS, "32 rows of inputs");
            assert!(panels.iter().all(|p| p.len() >= steps * WORDS), "panels as long");
            if steps == 0 {
                *sums = [[<$sum>::default(); TASK_OUTPUTS]; TILES];
                return;
            }
            let upper = x.as_ptr();
            // SAFETY: the assertions above hold all that is read: sixteen rows of 64 bytes, a
            // stride apart, from either pointer to inputs, and sixteen lines of each panel, in
            // every step. `sums` has two by two tiles of 16 rows of 64 bytes.
            unsafe {
                let lower = upper.add(TILE * stride);
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    "tileloadd tmm4, [{upper} + {stride}*1]",
                    "tileloadd tmm6, [{left} + {line}*1]",
                    "tileloadd tmm7, [{right} + {line}*1]",
                    concat!($multiply, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm5, [{lower} + {stride}*1]",
                    concat!($multiply, " tmm1, tmm4, tmm7"),
                    concat!($multiply, " tmm2, tmm5, tmm6"),
                    concat!($multiply, " tmm3, tmm5, tmm7"),
                    "add {upper}, 64",
                    "add {lower}, 64",
                    "add {left}, 1024",
                    "add {right}, 1024",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {row}*1], tmm0",
                    "tilestored [{sums} + {row}*1 + 64], tmm1",
                    "tilestored [{sums} + {row}*1 + 2048], tmm2",
                    "tilestored [{sums} + {row}*1 + 2112], tmm3",
                    upper = inout(reg) upper => _,
                    lower = inout(reg) lower => _,
                    left = inout(reg) panels[0].as_ptr() => _,
                    right = inout(reg) panels[1].as_ptr() => _,
                    steps = inout(reg) steps => _,
                    stride = in(reg) stride * size_of::<u32>(),
                    line = in(reg) size_of::<Words>(),
                    sums = in(reg) sums.as_mut_ptr(),
                    row = in(reg) size_of::<[$sum; TASK_OUTPUTS]>(),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

product!(
    /// Products of bfloat16, two in a word.
    products_of_bf16, f32, "tdpbf16ps"
);
product!(
    /// Products of inputs with a sign and weights without, four in a word.
    products_of_bytes, i32, "tdpbsud"
);

/// Visits, run by run, the panels of a task and the tiles of its rows.
fn visit(
    task: &mut Task<'_>,
    words: usize,
    run: usize,
    mut visit: impl FnMut(usize, std::ops::Range<usize>, usize, usize, &mut [&mut [f32]]),
) {
    for start in (0..words).step_by(run) {
        let range = start..words.min(start + run);
        for first in (0..task.outputs()).step_by(TASK_OUTPUTS) {
            let panel = (task.output + first) / PANEL;
            for (tile, rows) in task.rows.chunks_mut(TILES).enumerate() {
                visit(panel, range.clone(), task.row + tile * TILES, first, rows);
            }
        }
    }
}

/// Whether tiles serve a product of so many rows, whose outputs have so many words each.
pub(crate) fn serve(rows: usize, words: usize) -> bool {
    rows >= FEWEST_ROWS && words.is_multiple_of(WORDS)
}

/// Products of bfloat16, for many rows.
pub(crate) struct OfBf16<'a> {
    pub(crate) weights: &'a bf16::Panels,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Kernel for OfBf16<'_> {
    type Rows<'x> = Vec<u32>;

    fn cut(&self, _: usize) -> Cut {
        cut(self.inputs, self.outputs)
    }

    fn prepare(&self, x: &[f32], parallel: bool) -> Vec<u32> {
        let words = self.weights.length();
        rows::in_bf16(x, self.inputs, words, TILES, parallel)
    }

    fn add(&self, x: &Vec<u32>, task: &mut Task<'_>) {
        let words = self.weights.length();
        let last = self.outputs.div_ceil(PANEL) - 1;
        let mut sums = [[0f32; TASK_OUTPUTS]; TILES];
        // SAFETY: this kernel is only made where the processor has tiles and the operating system
        // allows them.
        let _configured = unsafe { Configured::new() };
        visit(task, words, RUN, |panel, range, row, first, rows| {
            let x = &x[row * words + range.start..];
            let panels = [panel, (panel + 1).min(last)];
            let panels = panels.map(|panel| &self.weights.panel(panel)[range.clone()]);
            // SAFETY: the tiles are set up, and the processor multiplies bfloat16 in them.
            unsafe { products_of_bf16(x, words, panels, range.len() / WORDS, &mut sums) };
            for (out, sums) in rows.iter_mut().zip(&sums) {
                // SAFETY: with tiles the processor has AVX-512.
                unsafe { add(&mut out[first..], sums) };
            }
        });
    }
}

/// Products of bytes, for many rows.
pub(crate) struct OfBytes<'a> {
    pub(crate) weights: &'a int8::Panels,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Kernel for OfBytes<'_> {
    type Rows<'x> = Bytes;

    fn cut(&self, _: usize) -> Cut {
        cut(self.inputs, self.outputs)
    }

    fn prepare(&self, x: &[f32], parallel: bool) -> Bytes {
        let words = self.weights.length();
        rows::in_bytes(x, self.inputs, (words, int8::BLOCK), TILES, parallel)
    }

    fn add(&self, x: &Bytes, task: &mut Task<'_>) {
        let (words, run) = (self.weights.length(), int8::BLOCK_WORDS);
        let blocks = words.div_ceil(run);
        let last = self.outputs.div_ceil(PANEL) - 1;
        let mut sums = [[0i32; TASK_OUTPUTS]; TILES];
        // SAFETY: this kernel is only made where the processor has tiles and the operating system
        // allows them.
        let _configured = unsafe { Configured::new() };
        visit(task, words, run, |panel, range, row, first, rows| {
            let block = range.start / run;
            let inputs = &x.words[row * words + range.start..];
            let panels = [panel, (panel + 1).min(last)];
            let scales = panels.map(|panel| &self.weights.scales(panel)[block].0);
            let panels = panels.map(|panel| &self.weights.panel(panel)[range.clone()]);
            // SAFETY: the tiles are set up, and the processor multiplies bytes in them.
            unsafe { products_of_bytes(inputs, words, panels, range.len() / WORDS, &mut sums) };
            for (r, (out, sums)) in rows.iter_mut().zip(&sums).enumerate() {
                let at = (row + r) * blocks + block;
                let excess = int8::OFFSET * x.sums[at];
                // SAFETY: with tiles the processor has AVX-512.
                unsafe { add_scaled(&mut out[first..], sums, excess, x.scales[at], scales) };
            }
        });
    }
}

fn cut(inputs: usize, outputs: usize) -> Cut {
    Cut {
        inputs,
        outputs,
        tile: TILES,
        block: TASK_ROWS,
    }
}

/// Adds a row's sums to its outputs.
#[target_feature(enable = "avx512f")]
fn add(out: &mut [f32], sums: &[f32; TASK_OUTPUTS]) {
    let (left, right) = out.split_at_mut(PANEL.min(out.len()));
    let (sums, _) = sums.as_chunks::<PANEL>();
    for (out, sums) in [left, right].into_iter().zip(sums) {
        // SAFETY: the array has the vector's size, and the load needs no alignment.
        super::add_to(out, unsafe { _mm512_loadu_ps(sums.as_ptr()) });
    }
}

/// Scales a row's sums, which are too large by `excess`, and adds them to its outputs.
#[target_feature(enable = "avx512f")]
fn add_scaled(
    out: &mut [f32],
    sums: &[i32; TASK_OUTPUTS],
    excess: i32,
    scale: f32,
    weights: [&[f32; PANEL]; 2],
) {
    let (left, right) = out.split_at_mut(PANEL.min(out.len()));
    let (sums, _) = sums.as_chunks::<PANEL>();
    let (excess, scale) = (_mm512_set1_epi32(excess), _mm512_set1_ps(scale));
    for ((out, sums), weights) in [left, right].into_iter().zip(sums).zip(weights) {
        // SAFETY: both arrays have the vector's size, and the loads need no alignment.
        let (sums, weights) = unsafe {
            (
                _mm512_loadu_si512(sums.as_ptr().cast()),
                _mm512_loadu_ps(weights.as_ptr()),
            )
        };
        let sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, excess));
        super::add_to(out, _mm512_mul_ps(sums, _mm512_mul_ps(scale, weights)));
    }
}

/// Writes a function that multiplies tiles and reads nothing: the most that the processor can do.
macro_rules! spin {
    ($name:ident, $multiply:literal, $operations:literal) => {
        /// Runs four products `times` times, and says how many operations that was.
        pub(crate) fn $name(times: u64) -> u64 {
            if times == 0 {
                return 0;
            }
            // SAFETY: callers have found that the processor has these tiles and that the operating
            // system allows them. The code touches no memory.
            unsafe {
                let _configured = Configured::new();
                asm!(
                    "tilezero tmm4",
                    "tilezero tmm6",
                    "2:",
                    concat!($multiply, " tmm0, tmm4, tmm6"),
                    concat!($multiply, " tmm1, tmm4, tmm6"),
                    concat!($multiply, " tmm2, tmm4, tmm6"),
                    concat!($multiply, " tmm3, tmm4, tmm6"),
                    "dec {times}",
                    "jnz 2b",
                    times = inout(reg) times => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm6") _,
                    options(nostack, nomem),
                );
            }
            times * 4 * $operations
        }
    };
}

spin!(spin_bf16, "tdpbf16ps", 16_384);
spin!(spin_bytes, "tdpbsud", 32_768);
