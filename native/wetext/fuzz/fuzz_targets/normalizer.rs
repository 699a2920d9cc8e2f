#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wetext_fuzz::normalizer(data));
