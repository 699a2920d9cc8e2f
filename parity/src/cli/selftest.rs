use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use parity::exit::Exit;
use parity::selftest;

use super::shared::{TolerancesArg, read_golden, say};

/// Plant known faults in copies of a golden, and show that each is caught.
///
/// Over 100 faults in texts, tokens, tensors and sounds, in provenance, in files, in the limits, in
/// shards and in reports: each must be found, and by the stage that it is in. A file of limits that
/// lets faults through fails by itself.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity selftest\n  \
    parity selftest --tolerances my-limits.toml")]
pub struct SelftestArgs {
    /// The golden; it is only read
    #[arg(long, value_name = "DIR", default_value = "golden/tiny-7")]
    golden: PathBuf,
    #[command(flatten)]
    tolerances: TolerancesArg,
}

/// Runs `parity selftest`.
pub fn run(args: &SelftestArgs) -> anyhow::Result<Exit> {
    let golden = read_golden(&args.golden)?;
    let tolerances = args.tolerances.load(&args.golden)?;
    let planted = selftest::run(&golden, &tolerances)?;
    let mut out = String::new();
    for fault in &planted {
        let _ = if fault.caught {
            writeln!(out, "caught  {}\n        {}", fault.fault, fault.expected)
        } else {
            let (what, wanted, found) = (&fault.fault, &fault.expected, &fault.found);
            writeln!(
                out,
                "MISSED  {what}\n        expected: {wanted}; found: {found}"
            )
        };
    }
    let missed = planted.iter().filter(|p| !p.caught).count();
    let _ = writeln!(out, "\n{} faults planted, {missed} missed", planted.len());
    say(&out)?;
    Ok(match (planted.len(), missed) {
        (0, _) => Exit::NothingCompared,
        (_, 0) => Exit::Parity,
        _ => Exit::Failed,
    })
}
