//! Fuzzes the reading of configuration files.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let problems = hinomi_config::Problems::new("fuzz.yaml");
    let _tree = hinomi_config::parse(text, &problems);
});
