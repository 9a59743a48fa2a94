//! Feeds `bolt_fuzz::key_template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::key_template(data));
