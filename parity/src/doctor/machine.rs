use std::path::Path;

use sysinfo::{Disks, System};

use super::{Check, gigabytes};

/// Free space that goldens and reports of some dozen cases need.
const DISK: u64 = 1_000_000_000;
/// The engine's peak, and the Python reference's, over the size of the weight files: 4.2 and
/// 6.4 GB for 4.4 GB in float32.
const NATIVE: f64 = 1.0;
const REFERENCE: f64 = 1.5;

/// Looks at memory, disk and processors for a model whose weight files have so many bytes, and
/// results in `out`.
pub fn machine(weights: Option<u64>, out: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    // What the system does not tell is not judged.
    if let (Some(weights), Ok(mut system)) = (weights, System::new()) {
        system.refresh_memory();
        checks.push(memory(system.available_memory(), weights));
    }
    if let Ok(disks) = Disks::new_with_refreshed_list() {
        let place = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
        let holding = disks
            .iter()
            .filter(|disk| place.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().components().count());
        checks.extend(holding.map(|disk| free_space(disk.available_space(), out)));
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    checks.push(Check::good("processor", format!("{threads} threads")));
    checks.push(gpu());
    checks
}

fn memory(available: u64, weights: u64) -> Check {
    let [native, reference] = [NATIVE, REFERENCE].map(|share| (weights as f64 * share) as u64);
    let found = format!(
        "{} available; the engine takes about {}, the reference {}",
        gigabytes(available),
        gigabytes(native),
        gigabytes(reference)
    );
    if available < native {
        let remedy = "close other programs, or choose --precision bf16";
        Check::new("memory", super::State::Bad, found, Some(remedy))
    } else if available < reference {
        let remedy = "enough for `parity report`; record goldens on a machine with more";
        Check::notice("memory", found, remedy)
    } else {
        Check::good("memory", found)
    }
}

fn free_space(available: u64, out: &Path) -> Check {
    let found = format!("{} free for {}", gigabytes(available), out.display());
    if available < DISK {
        let remedy = "goldens and reports need about 1 GB: choose another disk with --out";
        Check::new("disk", super::State::Bad, found, Some(remedy))
    } else {
        Check::good("disk", found)
    }
}

fn gpu() -> Check {
    let built = [
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(feature = "metal"), "metal"),
    ];
    let built: Vec<_> = built.iter().filter(|b| b.0).map(|b| b.1).collect();
    match built.as_slice() {
        [] => Check::good(
            "GPU",
            "this build computes on the CPU (--features cuda or metal adds a device)",
        ),
        kinds => Check::good("GPU", format!("built for {}", kinds.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn memory_is_enough_for_both_engines_one_or_none() {
        let state = |available| memory(available, 4_000_000_000).state;
        assert_eq!(state(8_000_000_000), State::Good);
        assert_eq!(state(5_000_000_000), State::Notice);
        assert_eq!(state(3_000_000_000), State::Bad);
    }

    #[test]
    fn little_room_is_refused_and_the_place_named() {
        let check = free_space(5_000_000, Path::new("out/report"));
        assert_eq!(check.state, State::Bad);
        assert!(check.found.contains("0.0 GB free for out/report"));
        assert_eq!(free_space(DISK, Path::new("out")).state, State::Good);
    }
}
