//! The parity command.
#[path = "cli/fixture.rs"]
mod fixture;
#[cfg(feature = "record")]
#[path = "cli/record_python.rs"]
mod record_python;

#[derive(clap::Parser)]
enum Cli {
    Fixture(fixture::FixtureArgs),
    #[cfg(feature = "record")]
    Record {
        #[command(flatten)]
        python: record_python::PythonArgs,
        #[arg(long)]
        model_dir: std::path::PathBuf,
        #[arg(long, default_value = "golden/cases.toml")]
        cases: std::path::PathBuf,
        #[arg(long = "case")]
        names: Vec<String>,
        #[arg(long)]
        out: std::path::PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match <Cli as clap::Parser>::parse() {
        Cli::Fixture(args) => fixture::run(&args),
        #[cfg(feature = "record")]
        Cli::Record {
            python,
            model_dir,
            cases,
            names,
            out,
        } => {
            let cases = parity::case::CaseFile::load(cases)?.select(&names)?;
            record_python::run(&python, &model_dir, &cases, &out)
        }
    }
}
