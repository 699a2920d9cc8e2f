use packed_linear::{Cpu, Limits};
use serde::{Deserialize, Serialize};

/// A processor and what it can do at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// As it names itself.
    pub processor: String,
    /// The vector instructions that the kernels use.
    pub instructions: String,
    /// Measured with the threads that the engines have.
    pub peaks: Peaks,
}

/// The most that some threads can do together, in a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peaks {
    /// Bytes read from memory.
    pub read: f64,
    /// Operations on float32.
    pub f32: f64,
    /// Operations on bfloat16.
    pub bf16: f64,
    /// Operations on 8-bit integers.
    pub int8: f64,
}

impl Machine {
    /// Measures this machine, in about three seconds.
    pub fn measure(threads: usize) -> Self {
        let limits = Limits::measure(threads);
        Self {
            processor: processor(),
            instructions: Cpu::detect().names(),
            peaks: Peaks {
                read: limits.read,
                f32: limits.f32,
                bf16: limits.best_bf16(),
                int8: limits.best_int8(),
            },
        }
    }
}

/// The name of this machine's processor, with its family, model and stepping, as the name alone says
/// little; `unknown` where the system does not tell.
pub fn processor() -> String {
    from_cpuinfo().unwrap_or_else(|| "unknown".into())
}

fn from_cpuinfo() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = field("model name")?;
    match (field("cpu family"), field("model\t"), field("stepping")) {
        (Some(family), Some(model), Some(stepping)) => {
            Some(format!("{name} ({family}/{model}/{stepping})"))
        }
        _ => Some(name),
    }
}
