use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use parity::case::CaseFile;
use parity::exit::Exit;
use parity::report::{WRONG_SAMPLER_PAGE, wrong_sampler_html, wrong_sampler_table};
use parity::selftest::{self, Planted};
use parity::wrong_sampler::{self, Runs};

use super::engine::{EngineArgs, case_bar};
use super::shared::{DEFAULT_CASES, TolerancesArg, read_golden, say, say_json};

/// Plant known faults in copies of a golden, and show that each is caught.
///
/// Over 100 faults in texts, tokens, tensors and sounds, in provenance, in files, in the limits, in
/// shards and in reports: each must be found, and by the stage that it is in. A file of limits that
/// lets faults through fails by itself.
///
/// With --listen, the model speaks with the mistakes that ports make in sampling instead: how much
/// longer its speech becomes, and how it sounds.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity selftest\n  \
    parity selftest --tolerances my-limits.toml\n  \
    parity selftest --listen out/report")]
pub struct SelftestArgs {
    /// The golden; it is only read
    #[arg(long, value_name = "DIR", default_value = "golden/tiny-7")]
    golden: PathBuf,
    #[command(flatten)]
    tolerances: TolerancesArg,
    /// Print every planted fault as JSON
    #[arg(long, conflicts_with = "listen")]
    json: bool,
    /// Write wrong-sampler.html into this folder, which the report in it then has a link to
    #[arg(long, value_name = "DIR", conflicts_with_all = ["golden", "tolerances"])]
    listen: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    /// The cases whose texts are said with --listen, the zero-shot ones
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CASES)]
    cases: PathBuf,
    /// Seeds for each text, from the case's own on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

/// Runs `parity selftest`.
pub fn run(args: &SelftestArgs) -> anyhow::Result<Exit> {
    if let Some(folder) = &args.listen {
        return listen(args, folder);
    }
    let golden = read_golden(&args.golden)?;
    let tolerances = args.tolerances.load(&args.golden)?;
    let planted = selftest::run(&golden, &tolerances)?;
    if args.json {
        say_json(&planted)?;
        return Ok(exit(&planted));
    }
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
    let missed = missed(&planted);
    let _ = writeln!(out, "\n{} faults planted, {missed} missed", planted.len());
    say(&out)?;
    Ok(exit(&planted))
}

fn missed(planted: &[Planted]) -> usize {
    planted.iter().filter(|p| !p.caught).count()
}

fn exit(planted: &[Planted]) -> Exit {
    match (planted.len(), missed(planted)) {
        (0, _) => Exit::NothingCompared,
        (_, 0) => Exit::Parity,
        _ => Exit::Failed,
    }
}

/// How many texts can be heard on the page.
const HEARD: usize = 3;

fn listen(args: &SelftestArgs, folder: &Path) -> anyhow::Result<Exit> {
    let cases = CaseFile::load(&args.cases)?;
    let engine = args.engine.builder()?.build()?;
    let bar = case_bar(0)?;
    let runs = Runs {
        seeds: args.seeds,
        heard: HEARD,
    };
    let findings = wrong_sampler::run(&engine, &cases, runs, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if findings.texts == 0 {
        eprintln!(
            "{}: no case of it can be said: --listen takes zero-shot cases whose text is whole and that \
             have neither a saved speaker nor weights of their own",
            args.cases.display()
        );
        return Ok(Exit::NothingCompared);
    }
    let page = folder.join(WRONG_SAMPLER_PAGE);
    let html = wrong_sampler_html(&findings).map_err(anyhow::Error::msg)?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    parity_atomic::write_file(&page, html.as_bytes())?;
    let table = wrong_sampler_table(&findings);
    say(&format!("{table}page: {}\n", page.display()))?;
    Ok(Exit::Parity)
}
