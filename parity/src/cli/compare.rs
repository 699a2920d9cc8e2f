use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use parity::exit::Exit;
use parity::report::{
    FolderComparison, SoundComparison, comparison_html, comparison_table, folders_html,
    folders_table,
};
use parity::sound::FileSound;

use super::shared::{real, say, say_json};

/// Compare two sound files, or all those of two folders.
///
/// Levels, SNR, SI-SDR, lag, alignment, spectral and cepstral distances, pitch and voicing; no
/// limit is applied. Every kind of file is read that the engine takes as a prompt. Sounds of several
/// channels are mixed to mono, and another sampling rate is converted to the first's. A sound with
/// samples that are not finite numbers cannot be compared: status 1.
///
/// Folders are paired by name: X.wav with X.wav or native_X.wav of the other folder, or with
/// native_X.wav of the same one where only one is given. A file without a partner is listed and
/// ends with status 2.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    parity compare reference.wav native.wav\n  \
    parity compare reference.wav native.wav --json | jq .diff.measures.snr\n  \
    parity compare reference.wav native.wav --html compare.html\n  \
    parity compare output --html output/compare.html")]
pub struct CompareArgs {
    /// The reference: a file, or a folder
    a: PathBuf,
    /// The candidate: a file or a folder like the reference
    b: Option<PathBuf>,
    /// Print JSON, without the sounds
    #[arg(long)]
    json: bool,
    /// Also write a page with the sounds
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs `parity compare`.
pub fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    match (&args.a, &args.b) {
        (a, b) if a.is_dir() && b.as_deref().is_none_or(Path::is_dir) => {
            folders(args, a, b.as_deref())
        }
        (a, Some(b)) if !a.is_dir() && !b.is_dir() => files(args, a, b),
        (a, None) => bail!("{}: give a second file to compare it with", a.display()),
        (a, Some(b)) => bail!(
            "{} and {}: give two files or two folders",
            a.display(),
            b.display()
        ),
    }
}

fn files(args: &CompareArgs, a: &Path, b: &Path) -> anyhow::Result<Exit> {
    let (name_a, name_b) = (a.display().to_string(), b.display().to_string());
    let (a, b) = (FileSound::read(a)?, FileSound::read(b)?);
    let comparison = SoundComparison::of((&name_a, &a), (&name_b, &b))?;
    page(args, || comparison_html(&comparison))?;
    let exit = match comparison.is_empty() {
        true => Exit::NothingCompared,
        false => Exit::Parity,
    };
    if args.json {
        say_json(&comparison.measures_alone())?;
    } else {
        say(&comparison_table(&comparison))?;
    }
    Ok(exit)
}

fn folders(args: &CompareArgs, a: &Path, b: Option<&Path>) -> anyhow::Result<Exit> {
    let mut compared = FolderComparison::of(a, b)?;
    page(args, || folders_html(&compared))?;
    if args.json {
        let pairs = std::mem::take(&mut compared.pairs).into_iter();
        compared.pairs = pairs.map(SoundComparison::measures_alone).collect();
        say_json(&compared)?;
    } else {
        say(&folders_table(&compared))?;
    }
    Ok(compared.exit())
}

fn page(args: &CompareArgs, html: impl FnOnce() -> Result<String, String>) -> anyhow::Result<()> {
    if let Some(path) = &args.html {
        for sound in [Some(&args.a), args.b.as_ref()].into_iter().flatten() {
            if real(path)? == real(sound)? {
                bail!(
                    "--html {} is what is compared: name another file",
                    path.display()
                );
            }
        }
        let html = html().map_err(anyhow::Error::msg)?;
        parity_atomic::write_file(path, html.as_bytes())?;
    }
    Ok(())
}
