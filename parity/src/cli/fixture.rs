use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use parity_fixture::{FixtureSources, Progress, Size};

/// Write a model directory in the reference's own layout: of random weights, or one that speaks.
///
/// The directory has everything that Fun-CosyVoice3-0.5B has, and the unmodified reference loads
/// it. The same size and seed give the same bytes on every machine. The vocabulary and the text
/// rules are public files that `python3 python_ref/fetch_assets.py` downloads once.
#[derive(Args, Debug)]
pub struct FixtureArgs {
    /// Directory to write; one that already holds this fixture is left as it is
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// tiny (105 MB, a second), full (the published sizes, 4.5 GB) or voice (the trained one that
    /// speaks, 220 MB)
    #[arg(long, default_value_t = Size::Tiny)]
    size: Size,
    /// Seed of the random weights; of a trained model, of those for text that it has never seen
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Directory with the downloaded vocabulary and text rules
    #[arg(long, value_name = "DIR", default_value = ".cache")]
    assets: PathBuf,
    /// Write it again even if it is there
    #[arg(long)]
    force: bool,
}

/// Runs `parity fixture`.
pub fn run(args: &FixtureArgs) -> anyhow::Result<()> {
    let FixtureArgs {
        out,
        size,
        seed,
        assets,
        force,
    } = args;
    if !force && parity_fixture::is_current(out, *size, *seed) {
        println!(
            "{}: the {size} fixture of seed {seed} is there already",
            out.display()
        );
        return Ok(());
    }
    let style = "{msg} [{bar:30}] {percent}%  {eta} left";
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?);
    bar.set_message(format!("{size} fixture"));
    parity_fixture::write(
        out,
        *size,
        *seed,
        &FixtureSources::new(assets),
        &|Progress { done, total }| {
            bar.set_length(total);
            bar.set_position(done);
        },
    )?;
    bar.finish_and_clear();
    println!("{}: the {size} fixture of seed {seed}", out.display());
    Ok(())
}
