//! Values in the places of a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::templates(bytes));
