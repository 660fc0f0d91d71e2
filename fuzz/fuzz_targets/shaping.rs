//! Parts of JSON, by its bytes and by a tree.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::shaping(bytes));
