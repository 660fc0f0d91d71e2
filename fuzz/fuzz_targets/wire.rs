//! An upstream's answer, byte for byte.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::wire(bytes));
