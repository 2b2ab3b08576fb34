//! Fuzzes the decoders of the metrics engine: records of the log, columns and indexes of blocks. The first byte chooses.
#![no_main]

use hinomi_tsdb::fuzzing::{column, index, record};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 3 {
        0 => record(bytes),
        1 => column(bytes),
        _ => index(bytes),
    }
});
