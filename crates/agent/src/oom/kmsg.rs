//! The kernel's log as a witness: one record a read, from now on.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::parse::{self, LogRecord};

/// Longest record the kernel hands out (`CONSOLE_EXT_LOG_MAX`).
const RECORD_BYTES: usize = 8192;
/// Records read before others get their turn.
const BATCH: usize = 256;

/// An open `/dev/kmsg`, positioned at its end.
pub(super) struct Kmsg {
    file: OwnedFd,
    buffer: Vec<u8>,
}

impl Kmsg {
    /// Opens it without blocking.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| explain(path, error))?;
        rustix::fs::seek(&file, SeekFrom::End(0)).map_err(|error| explain(path, error))?;
        Ok(Self { file, buffer: vec![0; RECORD_BYTES] })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// What is new about kills; the second number counts the records that were overwritten unread (at least one each).
    pub(super) fn read(&mut self) -> (Vec<LogRecord>, u64) {
        let (mut records, mut lost) = (Vec::new(), 0);
        for _ in 0..BATCH {
            match rustix::io::read(&self.file, self.buffer.as_mut_slice()) {
                Ok(0) => break,
                Ok(n) => {
                    let bytes = self.buffer.get(..n).unwrap_or_default();
                    records.extend(parse::log_record(&String::from_utf8_lossy(bytes)));
                }
                Err(Errno::PIPE) => lost += 1,
                Err(Errno::INTR | Errno::INVAL) => {}
                Err(_) => break,
            }
        }
        (records, lost)
    }
}

/// Whether it can be read.
pub(crate) fn probe(path: &Path) -> Result<String, String> {
    Kmsg::open(path).map(|_| format!("{} may be read", path.display()))
}

fn explain(path: &Path, error: Errno) -> String {
    let hint = match error {
        Errno::PERM => "; kernel.dmesg_restrict=1 asks for CAP_SYSLOG",
        Errno::ACCESS => "; it belongs to root",
        Errno::NOENT => "; give the container the device",
        _ => "",
    };
    format!("cannot open {}: {error}{hint}", path.display())
}
