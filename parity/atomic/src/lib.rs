//! Files and folders that appear under their name whole or not at all: whatever is killed, full,
//! forbidden, or done twice at once.
//!
//! What is in the making lies beside its final name, under a name that says so (see
//! [`Error::Busy`] and `names.rs`), and belongs to whoever holds the lock beside it. A lock ends
//! with its process, so that what a killed process left is known to be nobody's: the next one to
//! write there removes it. A signal's handler removes it at once, with [`abandon`].
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod error;
mod file;
mod folder;
mod lock;
mod names;
mod swap;
mod unfinished;

pub use error::{Error, Owner};
pub use file::{write_file, write_files};
pub use folder::Replacement;
pub use lock::Lock;
pub use unfinished::abandon;
