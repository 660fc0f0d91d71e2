//! Bodies and types of upstreams, inside an answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::embedding(bytes));
