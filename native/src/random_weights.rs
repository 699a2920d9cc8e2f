//! Weights for tests of whole networks: random, but determined by the tensor's name.

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::precision::Precision;
use crate::torch_rng::{Multinomial, TorchRng};
use crate::weights::Builder;

/// Tensors of any name and shape, scaled so that signals neither vanish nor explode.
pub(crate) fn random_weights() -> Builder {
    let vb = VarBuilder::from_backend(Box::new(RandomWeights), DType::F32, Device::Cpu);
    Builder::new(vb, Precision::F32, &Device::Cpu)
}

struct RandomWeights;

impl SimpleBackend for RandomWeights {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let seed = name.bytes().fold(7u64, |seed, byte| {
            seed * 31 % 4_294_967_291 + u64::from(byte)
        });
        let mut values = vec![0f32; shape.elem_count()];
        TorchRng::new(seed, Multinomial::default()).randn(&mut values);
        let fan_in: usize = shape.dims().iter().skip(1).product();
        for (i, value) in values.iter_mut().enumerate() {
            *value = match name.rsplit('.').next() {
                Some("bias") => 0.02 * *value,
                Some("alpha" | "original0") => 1.0,
                Some("inv_freq") => 0.6f32.powi(i as i32),
                _ => *value / (fan_in as f32).sqrt(),
            };
        }
        Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("random tensor `{name}` needs a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
