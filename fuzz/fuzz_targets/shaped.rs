//! Parts of upstreams' bodies, in a merged answer and in a report.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gather::fuzzing::shaped(bytes));
