//! The server from outside, with one loaded tiny model for all tests.

mod asking;
mod keys;
mod openai;
mod page;
mod plain;
mod queueing;
mod reference;
mod socket;
mod voices;

#[expect(dead_code, reason = "the report's tests do more with it")]
#[path = "../../../parity/tests/chromium.rs"]
mod chromium;
