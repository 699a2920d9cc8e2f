//! The parity command.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod cli;

fn main() -> parity::exit::Exit {
    cli::run()
}
