//! The time grid of the Euler solver, and what the networks see of it.
//!
//! All of it is computed in float32 on the CPU, in the reference's order: a step's `t` depends on
//! the rounding of every step before it.

use candle_core::{Device, Result, Tensor};

use crate::ops::Linear;
use crate::weights::Builder;

/// Width of the sinusoidal embedding of `t`.
const SINUSOIDS: usize = 256;
const SINUSOID_SCALE: f32 = 1000.0;
const SINUSOID_BASE: f64 = 10_000.0;

/// One Euler step: where it starts, and how far it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeStep {
    /// Time at which the velocity is taken, 0 to 1.
    pub t: f32,
    /// Time to the next step.
    pub dt: f32,
}

/// The cosine grid 1 − cos(πt/2), accumulated as the reference does
/// (`ConditionalCFM.solve_euler`): every `dt` leads from the rounded `t` to the next grid point.
pub fn time_grid(steps: usize) -> Vec<TimeStep> {
    let point = |i: usize| {
        // torch's linspace counts from whichever end is nearer.
        let spacing = 1.0 / steps as f32;
        let s = if i <= steps / 2 {
            spacing * i as f32
        } else {
            1.0 - spacing * (steps - i) as f32
        };
        let angle = s * 0.5 * std::f32::consts::PI;
        1.0 - f64::from(angle).cos() as f32
    };
    let mut t = point(0);
    (1..=steps)
        .map(|next| {
            let dt = point(next) - t;
            let step = TimeStep { t, dt };
            t += dt;
            step
        })
        .collect()
}

/// The sinusoidal embedding of `t`, sines first.
fn sinusoids(t: f32) -> [f32; SINUSOIDS] {
    const HALF: usize = SINUSOIDS / 2;
    let rate = (SINUSOID_BASE.ln() / (HALF - 1) as f64) as f32;
    let mut embedding = [0.0; SINUSOIDS];
    for i in 0..HALF {
        let frequency = f64::from(i as f32 * -rate).exp() as f32;
        let angle = f64::from(SINUSOID_SCALE * t * frequency);
        embedding[i] = angle.sin() as f32;
        embedding[HALF + i] = angle.cos() as f32;
    }
    embedding
}

/// Embeds every step's `t`, [steps, dim], followed by the SiLU that all its readers apply.
///
/// The grid is fixed, so this is a table made when the network is loaded.
pub(super) struct TimeEmbedding {
    /// As the reference's `TimestepEmbedding` returns it.
    pub(super) embedding: Tensor,
    /// What the modulations project.
    pub(super) activated: Tensor,
}

impl TimeEmbedding {
    pub(super) fn new(dim: usize, steps: usize, vb: Builder) -> Result<Self> {
        let mlp = vb.pp("time_mlp").unrounded();
        let first = Linear::load(SINUSOIDS, dim, mlp.pp("0"))?;
        let second = Linear::load(dim, dim, mlp.pp("2"))?;
        let table: Vec<f32> = time_grid(steps)
            .iter()
            .flat_map(|step| sinusoids(step.t))
            .collect();
        let table = Tensor::from_vec(table, (steps, SINUSOIDS), &Device::Cpu)?
            .to_dtype(vb.dtype())?
            .to_device(vb.device())?;
        let embedding = second.forward(&first.forward(&table)?.silu()?)?;
        let activated = embedding.silu()?;
        Ok(Self {
            embedding,
            activated,
        })
    }
}

/// What adaptive layer norms do at each step: a linear of the time embedding, as a table
/// [steps, parts, dim].
pub(super) fn modulation(
    parts: usize,
    dim: usize,
    time: &TimeEmbedding,
    vb: Builder,
) -> Result<Tensor> {
    let projection = Linear::load(dim, parts * dim, vb.pp("linear").unrounded())?;
    projection
        .forward(&time.activated)?
        .reshape(((), parts, dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_grid_is_torch_s_to_the_last_bit() {
        // torch 2.3.1: linspace, cosine and the accumulation of `solve_euler`.
        let t = [
            0x0, 0x3c49b6c0, 0x3d4878f0, 0x3ddf37f8, 0x3e43910c, 0x3e95f61a, 0x3ed30dd2,
            0x3f0bc747, 0x3f30e444, 0x3f57f3e9,
        ];
        let dt = [
            0x3c49b6c0, 0x3d160b40, 0x3d75f700, 0x3da7ea20, 0x3dd0b650, 0x3df45ee0, 0x3e090178,
            0x3e1473f4, 0x3e1c3e94, 0x3e20305c,
        ];
        let grid = time_grid(10);
        assert!(grid.iter().map(|step| step.t.to_bits()).eq(t));
        assert!(grid.iter().map(|step| step.dt.to_bits()).eq(dt));
    }

    #[test]
    fn the_sinusoids_of_the_fourth_step_are_torch_s() {
        let torch = [
            (0, 0.820_493_4),
            (1, 0.743_214_96),
            (64, 0.867_980_2),
            (127, 0.010_899_129),
            (128, -0.571_656),
            (129, 0.669_052_66),
            (192, 0.496_598_87),
            (255, 0.999_940_6),
        ];
        let embedding = sinusoids(time_grid(10)[3].t);
        for (i, want) in torch {
            let got: f32 = embedding[i];
            // torch's exponential is off by one unit here and there, a thousand times magnified.
            assert!((got - want).abs() < 1e-5, "{i}: {got} instead of {want}");
        }
    }
}
