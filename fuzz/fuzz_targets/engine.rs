//! Plans against scripted upstreams, on paused time.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::engine(bytes));
