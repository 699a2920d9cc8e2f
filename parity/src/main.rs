//! The parity command.

mod cli;

fn main() -> parity::exit::Exit {
    cli::run()
}
