//! Feeds `bolt_fuzz::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::manifest(data));
