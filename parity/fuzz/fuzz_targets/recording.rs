#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parity_fuzz::recording(data));
