#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| native_fuzz::opus(data));
