//! Feeds `bolt_fuzz::drift_api`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::drift_api(data));
