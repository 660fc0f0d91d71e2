//! The `Server-Timing` field of any outcome.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::server_timing(bytes));
