//! The bodies of clients' requests.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::bodies(bytes));
