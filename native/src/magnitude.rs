//! Whether weights are finite, and stay so in the precision of their network.

use candle_core::{CpuStorage, DType, Storage, Tensor};

/// Checks a tensor on the CPU that is about to be converted to `dtype`: one pass over the data as
/// they lie in memory, at the speed of memory.
///
/// # Errors
/// What is wrong with it, to follow its name: a value that is not finite, or one beyond the largest
/// of `dtype`, which would become infinite there.
pub(crate) fn check(tensor: &Tensor, dtype: DType) -> Result<(), String> {
    let Some(largest) = largest(tensor) else {
        return Ok(());
    };
    if !largest.is_finite() {
        return Err(
            "holds a value that is not finite, so the file is damaged: download it again"
                .to_owned(),
        );
    }
    // Half a unit beyond the largest number, values begin to round to infinity.
    let (name, limit) = match dtype {
        DType::F16 => ("f16", 65_520.0),
        DType::BF16 => ("bf16", 3.396e38),
        DType::F32 => ("f32", 3.402_823_6e38),
        _ => return Ok(()),
    };
    if largest >= limit {
        return Err(format!(
            "holds {largest:e}, which {name} cannot represent: choose a wider precision"
        ));
    }
    Ok(())
}

/// The largest magnitude, or what is not finite where there is such a value: without its sign, the
/// bits of a float are in the order of its magnitude, and infinities and NaNs come last. `None` for
/// whole numbers and for tensors on other devices.
fn largest(tensor: &Tensor) -> Option<f64> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return None;
    };
    // A tensor of a file lies in one piece; of any other, the whole storage is looked at.
    let (from, to) = layout.contiguous_offsets().unwrap_or((0, usize::MAX));
    match storage {
        CpuStorage::F64(v) => {
            let bits = v.get(from..to.min(v.len()))?.iter();
            let top = bits.map(|x| x.to_bits() & (u64::MAX >> 1)).max()?;
            Some(f64::from_bits(top))
        }
        CpuStorage::F32(v) => {
            let bits = v.get(from..to.min(v.len()))?.iter();
            let top = bits.map(|x| x.to_bits() & (u32::MAX >> 1)).max()?;
            Some(f32::from_bits(top).into())
        }
        CpuStorage::F16(v) => {
            let values = v.get(from..to.min(v.len()))?.iter();
            let top = values.clone().map(|x| x.to_bits() << 1).max()?;
            let mut values = values.filter(|x| x.to_bits() << 1 == top);
            values.next().map(|x| x.to_f64().abs())
        }
        CpuStorage::BF16(v) => {
            let values = v.get(from..to.min(v.len()))?.iter();
            let top = values.clone().map(|x| x.to_bits() << 1).max()?;
            let mut values = values.filter(|x| x.to_bits() << 1 == top);
            values.next().map(|x| x.to_f64().abs())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn values_that_are_not_finite_or_do_not_fit_are_found_wherever_they_stand() {
        for at in [0, 500, 999] {
            for (value, dtype, found) in [
                (f32::NAN, DType::F32, "not finite"),
                (f32::NEG_INFINITY, DType::F32, "not finite"),
                (f32::INFINITY, DType::F16, "not finite"),
                (-7e4, DType::F16, "-f16"),
                (-7e4, DType::F32, ""),
                (f32::MAX, DType::F32, ""),
                (f32::MAX, DType::BF16, "bf16"),
                (65_519.0, DType::F16, ""),
            ] {
                let mut values = vec![0.5; 1000];
                values[at] = value;
                let tensor = Tensor::new(values, &Device::Cpu).unwrap();
                let wrong = check(&tensor, dtype).err().unwrap_or_default();
                let found = found.trim_start_matches('-');
                assert!(
                    wrong.contains(found) && found.is_empty() == wrong.is_empty(),
                    "{value} as {dtype:?}: {wrong}"
                );
            }
        }
        for dtype in [DType::F16, DType::BF16, DType::F64] {
            let nan = Tensor::new(&[0_f32, f32::NAN], &Device::Cpu).unwrap();
            assert!(
                check(&nan.to_dtype(dtype).unwrap(), DType::F64).is_err(),
                "{dtype:?}"
            );
        }
        let none = Tensor::zeros(0, DType::F32, &Device::Cpu).unwrap();
        assert!(check(&none, DType::F32).is_ok());
    }
}
