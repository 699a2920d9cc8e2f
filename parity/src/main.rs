//! The parity command.
#[path = "cli/fixture.rs"]
mod fixture;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: fixture::FixtureArgs,
}

fn main() -> anyhow::Result<()> {
    fixture::run(&<Cli as clap::Parser>::parse().args)
}
