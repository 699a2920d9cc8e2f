//! Choosing a device by name.

use std::str::FromStr;

use candle_core::Device;

use crate::{Error, Result};

/// A device by its name on a command line: `cpu`, `cuda`, `cuda:1`, `metal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, by number.
    Cuda(usize),
    /// An Apple GPU, by number.
    Metal(usize),
}

impl DeviceName {
    /// Opens the device.
    ///
    /// # Errors
    /// The cargo feature, the driver or the device itself is missing.
    pub fn open(self) -> Result<Device> {
        let opened = match self {
            Self::Cpu => return Ok(Device::Cpu),
            // With dynamically loaded CUDA libraries, a missing library is a panic.
            Self::Cuda(n) => quietly(|| Device::new_cuda(n)),
            Self::Metal(n) => quietly(|| Device::new_metal(n)),
        };
        match opened {
            Ok(Ok(device)) => Ok(device),
            Ok(Err(e)) => Err(Error::input(format!(
                "cannot use device {self}: {e} (check that the program was built with `--features {}` and that the device exists)",
                self.feature()
            ))),
            Err(_) => Err(Error::input(format!(
                "cannot use device {self}: its libraries could not be loaded (install the driver, or use --device cpu)"
            ))),
        }
    }

    /// The kind of device, without its number: `cpu`, `cuda` or `metal`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::Metal(_) => "metal",
        }
    }

    fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "default",
            Self::Cuda(_) => "cuda",
            Self::Metal(_) => "metal",
        }
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal(n) => write!(f, "metal:{n}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (kind, number) = s.split_once(':').unwrap_or((s, "0"));
        let number = number.parse().map_err(|_| {
            format!("invalid device number `{number}` (expected a number, as in cuda:0)")
        })?;
        match kind {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(number)),
            "metal" => Ok(Self::Metal(number)),
            _ => Err(format!(
                "unknown device `{s}` (expected cpu, cuda, cuda:N or metal)"
            )),
        }
    }
}

/// Runs `open` and returns its panic as an error, without calling the program's panic hook.
fn quietly<T>(open: impl FnOnce() -> T + std::panic::UnwindSafe) -> std::thread::Result<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(open);
    std::panic::set_hook(hook);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_round_trip() {
        for name in ["cpu", "cuda:1", "metal:0"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        assert!("cuda:x".parse::<DeviceName>().is_err());
        assert_eq!(
            "tpu".parse::<DeviceName>(),
            Err("unknown device `tpu` (expected cpu, cuda, cuda:N or metal)".into())
        );
    }
}
