//! Expressions of a configuration, and the bodies that they are evaluated on.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::expressions(bytes));
