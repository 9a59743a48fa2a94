//! Feeds `bolt_fuzz::registries_toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::registries_toml(data));
