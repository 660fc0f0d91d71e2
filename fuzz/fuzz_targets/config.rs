//! The text of a configuration file, in its three formats.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::config(bytes));
