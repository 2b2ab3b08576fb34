//! Fuzzes the opening and reading of a journal with one damaged segment.
#![no_main]

use std::sync::Arc;

use hinomi_disk::{fs::Real, journal};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let real = || Arc::new(Real);
    let options = || journal::Options { segment_bytes: 1 << 20, not_below: 1 };
    // A valid head, then whatever came.
    let Ok(mut opened) = journal::open(dir.path(), options(), real(), &mut |_, _| {}) else { return };
    let _written = opened.writer.append(&[b"one", b"two"]);
    drop(opened);
    let segment = std::fs::read_dir(dir.path()).ok().and_then(|mut all| all.next()?.ok());
    if let Some(path) = segment.map(|entry| entry.path())
        && let Ok(mut whole) = std::fs::read(&path)
    {
        whole.extend_from_slice(bytes);
        let _written = std::fs::write(&path, whole);
    }
    if let Ok(opened) = journal::open(dir.path(), options(), real(), &mut |_, _| {}) {
        let mut seen = 0;
        opened.journal.scan(0..u64::MAX, &mut |_, _| {
            seen += 1;
            true
        });
        assert!(seen >= 2, "what was written before is there");
    }
});
