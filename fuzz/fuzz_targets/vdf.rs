//! Feeds `bolt_fuzz::vdf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::vdf(data));
