//! Fuzzes the reading of backups: the bytes as they are, and as what a compressed archive holds.
#![no_main]

use hinomi_pipeline::backup::{Head, Keep, RestoreError, read};

/// Takes no more than is announced.
#[derive(Default)]
struct Counted {
    announced: u64,
    files: u64,
    bytes: u64,
}

impl Keep for Counted {
    fn begin(&mut self, head: &Head) -> Result<(), RestoreError> {
        (self.announced, self.files) = (head.bytes, head.files);
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<(), RestoreError> {
        assert!(["metrics/", "records/"].iter().any(|part| name.starts_with(part)) && !name.contains(".."));
        self.files = self.files.checked_sub(1).expect("no more files than announced");
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.bytes += bytes.len() as u64;
        assert!(self.bytes <= self.announced);
        Ok(())
    }

    fn done(&mut self) -> Result<(), RestoreError> {
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _wrong = read(bytes, &mut Counted::default());
    if let Ok(frame) = zstd::bulk::compress(bytes, 1) {
        let _wrong = read(&*frame, &mut Counted::default());
    }
});
