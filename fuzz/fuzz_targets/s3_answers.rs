//! Feeds `bolt_fuzz::s3_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bolt_fuzz::s3_answers(data));
