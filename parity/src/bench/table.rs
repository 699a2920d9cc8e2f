//! The table on the terminal.

use std::fmt::Write as _;

use super::{Bench, CaseBench, EngineBench, FlowFormat, PARTS, Peaks};

/// Every engine side by side: seconds of the quickest runs, how much faster than the first engine,
/// and what share of the machine's limits is reached.
pub fn table(bench: &Bench) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_table(&mut out, bench);
    out
}

fn write_table(out: &mut String, bench: &Bench) -> std::fmt::Result {
    let (machine, peaks) = (&bench.machine, &bench.machine.peaks);
    writeln!(
        out,
        "{}, {} thread(s), {}\nat most {:.1} GB/s read, {:.0} GFLOP/s in float32, {:.0} in \
         bfloat16, {:.0} in 8 bit\n",
        machine.processor,
        bench.threads,
        machine.instructions,
        peaks.read / 1e9,
        peaks.f32 / 1e9,
        peaks.bf16 / 1e9,
        peaks.int8 / 1e9
    )?;
    let Some(first) = bench.engines.first() else {
        return Ok(());
    };
    for (number, case) in first.cases.iter().enumerate() {
        let runs = case.seconds.values().map(Vec::len).max().unwrap_or(0);
        writeln!(
            out,
            "{}: the quickest of {runs} run(s), in seconds{}\n",
            case.name,
            match bench.engines.len() {
                1 => "",
                _ => ", and how many times faster than the first engine",
            }
        )?;
        write!(out, "{:<18}", "part")?;
        for engine in &bench.engines {
            write!(out, " {:>18}", engine.name)?;
        }
        writeln!(out)?;
        for part in PARTS {
            write!(out, "{part:<18}")?;
            for engine in &bench.engines {
                let ours = engine.cases.get(number).and_then(|c| c.quickest(part));
                write!(out, " {:>18}", cell(ours, case.quickest(part)))?;
            }
            writeln!(out)?;
        }
        for (name, value) in FIGURES {
            write!(out, "{name:<18}")?;
            for engine in &bench.engines {
                let of_case = engine.cases.get(number);
                let shown = of_case.and_then(|case| value(engine, case, peaks));
                write!(out, " {:>18}", shown.unwrap_or_else(|| "-".into()))?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    write!(out, "{:<18}", "load")?;
    for engine in &bench.engines {
        write!(out, " {:>18}", cell(Some(engine.load), Some(first.load)))?;
    }
    write!(out, "\n{:<18}", "peak memory")?;
    for engine in &bench.engines {
        let gigabytes = engine
            .peak_memory
            .map(|b| format!("{:.2} GB", b as f64 / 1e9));
        write!(out, " {:>18}", gigabytes.unwrap_or_else(|| "-".into()))?;
    }
    writeln!(out)
}

/// Seconds, and how many times faster than `first` they are.
fn cell(seconds: Option<f64>, first: Option<f64>) -> String {
    match (seconds, first) {
        (Some(ours), Some(first)) if ours > 0.0 && ours != first => {
            format!("{ours:.3} ({:.2}×)", first / ours)
        }
        (Some(ours), _) => format!("{ours:.3}"),
        (None, _) => "-".into(),
    }
}

type Figure = fn(&EngineBench, &CaseBench, &Peaks) -> Option<String>;

/// What follows from the times.
const FIGURES: [(&str, Figure); 6] = [
    ("tokens", |_, case, _| Some(case.tokens.to_string())),
    ("tokens a second", |_, case, _| {
        Some(format!("{:.1}", case.tokens_per_second()?))
    }),
    ("of reading speed", |engine, case, peaks| {
        let bytes = engine.work?.bytes_per_token as f64;
        Some(percent(case.tokens_per_second()? * bytes, peaks.read))
    }),
    ("flow, GFLOP/s", |_, case, _| {
        Some(format!("{:.0}", flow_rate(case)? / 1e9))
    }),
    ("of product speed", |engine, case, peaks| {
        let peak = match engine.work?.flow_format {
            FlowFormat::F32 => peaks.f32,
            FlowFormat::Bf16 => peaks.bf16,
            FlowFormat::Int8 => peaks.int8,
        };
        Some(percent(flow_rate(case)?, peak))
    }),
    ("real-time factor", |_, case, _| {
        Some(format!("{:.2}", case.quickest("end to end")? / case.sound))
    }),
];

fn flow_rate(case: &CaseBench) -> Option<f64> {
    Some(case.flow_operations? as f64 / case.quickest("flow")?)
}

fn percent(part: f64, whole: f64) -> String {
    format!("{:.0}%", 100.0 * part / whole)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Machine, Work};
    use super::*;

    fn engine(name: &str, flow: &[f64], work: Option<Work>) -> EngineBench {
        let seconds = [
            ("flow", flow.to_vec()),
            ("language model", vec![3.0, 2.5]),
            ("of it the prefill", vec![0.5, 0.5]),
        ];
        let seconds = seconds.map(|(part, runs)| (part.to_owned(), runs));
        EngineBench {
            name: name.into(),
            load: 2.0,
            peak_memory: Some(1_500_000_000),
            work,
            cases: vec![CaseBench {
                name: "a".into(),
                tokens: 40,
                sound: 1.6,
                flow_operations: Some(8_000_000_000),
                seconds: BTreeMap::from(seconds),
            }],
        }
    }

    #[test]
    fn the_table_shows_the_quickest_runs_and_what_limits_them() {
        let work = Work {
            bytes_per_token: 100_000_000,
            flow_format: FlowFormat::Bf16,
        };
        let bench = Bench {
            version: super::super::VERSION,
            machine: Machine {
                processor: "P".into(),
                instructions: "avx2".into(),
                peaks: Peaks {
                    read: 4e9,
                    f32: 1e9,
                    bf16: 8e9,
                    int8: 1e10,
                },
            },
            threads: 2,
            engines: vec![
                engine("reference", &[7.0, 6.0], None),
                engine("native bf16", &[4.0, 2.0], Some(work)),
            ],
        };
        let table = table(&bench);
        let row = |name: &str| {
            let line = table.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(row("flow  "), ["6.000", "2.000", "(3.00×)"]);
        assert_eq!(row("tokens a second"), ["20.0", "20.0"]);
        assert_eq!(row("of reading speed"), ["-", "50%"]);
        assert_eq!(row("flow, GFLOP/s"), ["1", "4"]);
        assert_eq!(row("of product speed"), ["-", "50%"]);
        assert_eq!(row("peak memory"), ["1.50", "GB", "1.50", "GB"]);
        assert_eq!(row("vocoder"), ["-", "-"]);
    }

    #[test]
    fn the_median_of_an_even_number_of_runs_is_between_the_middle_ones() {
        let case = &engine("a", &[7.0, 1.0, 6.0, 3.0], None).cases[0];
        assert_eq!(case.median("flow"), Some(4.5));
        assert_eq!(case.median("language model"), Some(2.75));
        assert_eq!(case.median("vocoder"), None);
    }
}
