//! The query of an aggregate and the durations in it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::query(bytes));
