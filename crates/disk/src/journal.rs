//! The journal: numbered payloads, appended in groups, synced before they are acknowledged.
//!
//! A folder of segments, each named by the number of its first frame. One [`Writer`] appends; any number of
//! [`Journal`] handles scan at the same time and see what was acknowledged before they began. Bytes:
//! `docs/formats/journal.md`.
//!
//! # Invariants
//!
//! - J1: [`Writer::append`] returns `Ok` only after its frames, their segment and the segment's name are synced.
//! - J2: numbers are dense and grow; a number is given again only if it was never acknowledged.
//! - J3: a segment ends where the next one begins: frames beyond that are leftovers of a failed write, never read.
//! - J4: after a failed sync nothing more is written to that file; its frames are written anew to another one.
//! - J5: damage costs the frames it touches, no others: reading goes on at the next intact frame.
//! - J6: the segment being written is never removed.

mod damage;
mod frame;
mod open;
mod reader;
mod segment;
mod writer;

use std::path::{Path, PathBuf};

pub use damage::{Damage, Damages};
pub use frame::FORMAT_VERSION;
pub use open::{Opened, Recovered, open};
pub use reader::{Journal, Removed, Scan, SegmentInfo};
pub use writer::{Appended, Writer};

/// Longest payload, bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A segment that reached this size is followed by a new one. It may be longer by one append.
    pub segment_bytes: u64,
    /// The next frame gets at least this number, even if the folder's last frame has a smaller one: for users who
    /// know from elsewhere that greater numbers were given.
    pub not_below: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, not_below: 1 }
    }
}

fn segment_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:016x}.log"))
}

/// The number in a segment's name; `None` for other files.
fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let ours = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if ours { u64::from_str_radix(digits, 16).ok() } else { None }
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_segments() {
        let cases = [
            ("0000000000000001.log", Some(1)),
            ("00000000000000ff.log", Some(255)),
            ("00000000000000FF.log", None),
            ("+000000000000001.log", None),
            ("1.log", None),
            ("0000000000000001.log.tmp", None),
        ];
        for (name, want) in cases {
            assert_eq!(parse_segment_name(name), want, "{name}");
        }
        assert_eq!(segment_path(Path::new("d"), 255), Path::new("d/00000000000000ff.log"));
    }
}
