//! Feeds `bolt_fuzz::tar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::tar(data));
