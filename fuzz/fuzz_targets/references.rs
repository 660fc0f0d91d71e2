//! References and templates, as a configuration writes them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::references(bytes));
