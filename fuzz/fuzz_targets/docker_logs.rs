//! Fuzzes `hinomi_agent::fuzzing::docker_logs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hinomi_agent::fuzzing::docker_logs(bytes));
