//! Every kernel beside its plain form, and the `gemm` crate: `cargo bench --package packed-linear`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use packed_linear::{Cpu, Format, PackedLinear, Source};

/// A layer of the flow: 1024 inputs, 2048 outputs.
const INPUTS: usize = 1024;
const OUTPUTS: usize = 2048;

fn products(c: &mut Criterion) {
    let weight = wave(INPUTS * OUTPUTS, 0.7);
    let best = Cpu::detect();
    let mut vectors = best;
    (vectors.amx_bf16, vectors.amx_int8) = (false, false);
    let mut plain = vectors;
    (plain.avx512_bf16, plain.avx512_vnni) = (false, false);
    let mut narrow = plain;
    narrow.avx512 = false;
    for rows in [1, 12, 524] {
        let x = wave(rows * INPUTS, 0.11);
        let mut out = vec![0.0; rows * OUTPUTS];
        let mut group = c.benchmark_group(format!("rows/{rows}"));
        group.sample_size(20);
        group.throughput(Throughput::Elements((2 * rows * INPUTS * OUTPUTS) as u64));
        for format in Format::ALL {
            let mut before = None;
            for cpu in [best, vectors, plain, narrow] {
                if before.replace(cpu) == Some(cpu) {
                    continue;
                }
                let linear = PackedLinear::new(format, Source::F32(&weight), None, INPUTS);
                let linear = linear.restricted_to(cpu);
                let id = BenchmarkId::new(format!("{format:?}"), cpu.names());
                group.bench_function(id, |b| b.iter(|| linear.run_into(&x, &mut out, None)));
            }
        }
        group.bench_function("gemm", |b| b.iter(|| product(&weight, &x, &mut out)));
        group.finish();
    }
}

fn wave(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * step).sin()).collect()
}

fn product(weight: &[f32], x: &[f32], out: &mut [f32]) {
    let rows = x.len() / INPUTS;
    assert!(weight.len() == INPUTS * OUTPUTS && out.len() == rows * OUTPUTS);
    // SAFETY: the strides describe matrices of the slices' lengths, by the assertion above.
    unsafe {
        gemm::gemm(
            rows,
            OUTPUTS,
            INPUTS,
            out.as_mut_ptr(),
            1,
            OUTPUTS as isize,
            false,
            x.as_ptr(),
            1,
            INPUTS as isize,
            weight.as_ptr(),
            INPUTS as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(300));
    targets = products
}
criterion_main!(benches);
