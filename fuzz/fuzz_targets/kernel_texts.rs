//! Fuzzes `hinomi_agent::fuzzing::kernel_texts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hinomi_agent::fuzzing::kernel_texts(bytes));
