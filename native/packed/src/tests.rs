//! Every format and every processor against float64.

use crate::tasks::TASK_OUTPUTS;
use crate::{Cpu, Format, PackedLinear, Source};

fn wave(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * step).sin()).collect()
}

/// The kinds of processor whose instructions differ.
fn processors() -> Vec<Cpu> {
    let avx2 = Cpu {
        avx2: true,
        ..Cpu::default()
    };
    let avx512 = Cpu {
        avx512: true,
        ..avx2
    };
    let vectors = Cpu {
        avx512_bf16: true,
        avx512_vnni: true,
        ..avx512
    };
    let tiles = Cpu {
        amx_bf16: true,
        amx_int8: true,
        ..vectors
    };
    let mut cpus = vec![Cpu::default(), avx2, avx512, vectors, tiles];
    for cpu in &cpus {
        if cpu.and(Cpu::detect()) != *cpu {
            eprintln!("SKIPPED: no {} here", cpu.names());
        }
    }
    cpus.retain(|cpu| cpu.and(Cpu::detect()) == *cpu);
    cpus
}

/// The largest difference from float64, relative to the root of the sum of the squared terms: the
/// scale at which independent errors of the terms add up.
fn error(weight: &[f32], bias: Option<&[f32]>, x: &[f32], inputs: usize, got: &[f32]) -> f64 {
    let outputs = weight.len() / inputs;
    let mut worst = 0f64;
    for (x, got) in x.chunks(inputs).zip(got.chunks(outputs)) {
        for (o, &got) in got.iter().enumerate() {
            let bias = bias.map_or(0.0, |bias| f64::from(bias[o]));
            let terms = x.iter().zip(&weight[o * inputs..]);
            let terms = terms.map(|(&x, &w)| f64::from(x) * f64::from(w));
            let (sum, squares) = terms.fold((bias, 1e-3), |(s, n), t| (s + t, n + t * t));
            worst = worst.max((f64::from(got) - sum).abs() / squares.sqrt());
        }
    }
    worst
}

/// What rounding leaves, in the unit of [`error`], at most; a wrong term is about 0.1.
fn bound(format: Format) -> f64 {
    match format {
        Format::F32 => 1e-5,
        // Half a unit of the eighth binary digit in either factor.
        Format::Bf16 => 0.02,
        Format::Q8 => 0.05,
        Format::Q4 => 0.6,
    }
}

#[test]
fn every_format_and_processor_agrees_with_float64_for_any_number_of_rows() {
    let shapes = [
        (1, 1),
        (5, 16),
        (32, 33),
        (64, 2 * TASK_OUTPUTS),
        (519, 2 * TASK_OUTPUTS + 19),
        (1024, 48),
    ];
    for cpu in processors() {
        for format in Format::ALL {
            for (inputs, outputs) in shapes {
                if cfg!(miri) && inputs > 5 {
                    continue;
                }
                let weight = wave(outputs * inputs, 0.7);
                for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 24, 33, 71, 197] {
                    if cfg!(miri) && rows > 7 {
                        continue;
                    }
                    let bias = (rows % 2 == 0).then(|| wave(outputs, 0.3));
                    let linear =
                        PackedLinear::new(format, Source::F32(&weight), bias.clone(), inputs);
                    let linear = linear.restricted_to(cpu);
                    let x = wave(rows * inputs, 0.11);
                    let got = linear.run(&x, None);
                    assert_eq!(got.len(), rows * outputs);
                    let error = error(&weight, bias.as_deref(), &x, inputs, &got);
                    assert!(
                        error < bound(format),
                        "{format:?} on {}: {rows} × {inputs} → {outputs}: {error}",
                        cpu.names()
                    );
                }
            }
        }
    }
}

#[test]
fn rows_apart_have_the_bits_of_each_row_alone() {
    let shapes = [
        (5, 16),
        (33, 40),
        (519, 2 * TASK_OUTPUTS + 19),
        (1100, TASK_OUTPUTS),
    ];
    for cpu in processors() {
        for format in Format::ALL {
            for (inputs, outputs) in shapes {
                if cfg!(miri) && inputs > 33 {
                    continue;
                }
                let layer = |outputs: usize, bias| {
                    let weight = wave(outputs * inputs, 0.7);
                    PackedLinear::new(format, Source::F32(&weight), bias, inputs).restricted_to(cpu)
                };
                let (one, other) = (layer(outputs, Some(wave(outputs, 0.3))), layer(7, None));
                for rows in [1, 2, 3, 5, 8, 13] {
                    let x = wave(rows * inputs, 0.11);
                    let apart = PackedLinear::run_rows_apart([&one, &other], &x);
                    for (layer, apart) in [&one, &other].into_iter().zip(apart) {
                        let alone = x.chunks(inputs).flat_map(|row| layer.run(row, None));
                        assert!(
                            alone
                                .map(f32::to_bits)
                                .eq(apart.iter().map(|x| x.to_bits())),
                            "{format:?} on {}: {rows} × {inputs} → {}",
                            cpu.names(),
                            layer.outputs()
                        );
                    }
                }
            }
        }
    }
}
