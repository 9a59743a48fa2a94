//! Feeds `bolt_fuzz::contract`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::contract(data));
