//! Fuzzes `hinomi_agent::fuzzing::redaction`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hinomi_agent::fuzzing::redaction(bytes));
