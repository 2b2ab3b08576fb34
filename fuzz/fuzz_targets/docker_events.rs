//! Fuzzes `hinomi_agent::fuzzing::docker_events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hinomi_agent::fuzzing::docker_events(bytes));
