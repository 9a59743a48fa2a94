//! Feeds `bolt_fuzz::reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::reference(data));
