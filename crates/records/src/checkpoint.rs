//! Checkpoints: the user's state after some record, so that a start need not replay everything. Bytes:
//! `docs/formats/records.md`.

use std::path::{Path, PathBuf};

use hinomi_disk::fs::Fs;
use hinomi_disk::{Error, file};

/// Version of the checkpoint format that is written.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Longest state, bytes.
pub(crate) const STATE_BYTES_MAX: usize = 256 << 20;

const MAGIC: [u8; 8] = *b"HNMCKPT\n";
const HEAD_BYTES: usize = 24;
const KEPT: usize = 2;

/// A checkpoint as read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) seq: u64,
    pub(crate) state: Vec<u8>,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) newest: Option<Checkpoint>,
    /// Numbers of all files, readable or not, oldest first.
    pub(crate) seqs: Vec<u64>,
    pub(crate) damage: Vec<String>,
}

pub(crate) fn path_of(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("checkpoint-{seq:016x}"))
}

fn seqs_in(dir: &Path) -> Result<Vec<u64>, Error> {
    let seq = |name: &String| {
        let digits = name.strip_prefix("checkpoint-").filter(|digits| digits.len() == 16)?;
        u64::from_str_radix(digits, 16).ok()
    };
    Ok(file::names_in(dir)?.iter().filter_map(seq).collect())
}

fn encode(seq: u64, state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(state.len().saturating_add(HEAD_BYTES));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&seq.to_le_bytes());
    bytes.extend_from_slice(state);
    let crc = file::checksum(&[&bytes[..12], &bytes[16..]]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(path: &Path, seq: u64, mut bytes: Vec<u8>) -> Result<Checkpoint, Error> {
    let corrupt = |reason| Error::Corrupt { path: path.to_owned(), offset: 0, reason };
    let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or_else(|| corrupt("too short"))?;
    let [m @ .., v0, v1, v2, v3, c0, c1, c2, c3, s0, s1, s2, s3, s4, s5, s6, s7] = *head;
    let crc = file::checksum(&[&bytes[..12], &bytes[16..]]);
    if m != MAGIC || u32::from_le_bytes([c0, c1, c2, c3]) != crc {
        return Err(corrupt("its checksum does not match"));
    }
    let found = u32::from_le_bytes([v0, v1, v2, v3]);
    if found != FORMAT_VERSION {
        return Err(Error::Version { path: path.to_owned(), found, known: FORMAT_VERSION });
    }
    if u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]) != seq {
        return Err(corrupt("it has another number than its name"));
    }
    bytes.drain(..HEAD_BYTES);
    Ok(Checkpoint { seq, state: bytes })
}

/// The newest checkpoint that can be read.
pub(crate) fn load(dir: &Path) -> Result<Found, Error> {
    let mut found = Found { seqs: seqs_in(dir)?, ..Found::default() };
    let limit = u64::try_from(STATE_BYTES_MAX.saturating_add(HEAD_BYTES)).unwrap_or(u64::MAX);
    for seq in found.seqs.iter().rev() {
        let path = path_of(dir, *seq);
        match file::read_bounded(&path, limit).and_then(|bytes| decode(&path, *seq, bytes)) {
            Ok(checkpoint) => {
                found.newest = Some(checkpoint);
                break;
            }
            Err(error @ Error::Version { .. }) => return Err(error),
            Err(error) => found.damage.push(format!("{error}; an older one is used")),
        }
    }
    Ok(found)
}

/// Writes a checkpoint and removes all but the newest two. Returns the numbers of those.
pub(crate) fn write(fs: &dyn Fs, dir: &Path, seq: u64, state: &[u8]) -> Result<Vec<u64>, Error> {
    file::write_atomic_on(fs, &path_of(dir, seq), &encode(seq, state))?;
    let mut seqs = seqs_in(dir)?;
    let old = seqs.len().saturating_sub(KEPT);
    for seq in seqs.drain(..old) {
        // One too many does no harm, and the next checkpoint tries again.
        if let Err(error) = fs.remove(&path_of(dir, seq)) {
            tracing::warn!(%error, seq, "could not remove an old checkpoint");
        }
    }
    Ok(seqs)
}

/// Bytes of all checkpoints.
pub(crate) fn bytes_on_disk(dir: &Path, seqs: &[u64]) -> u64 {
    seqs.iter().filter_map(|seq| std::fs::metadata(path_of(dir, *seq)).ok()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hinomi_disk::fs::Real;

    #[test]
    fn the_newest_readable_one_wins_and_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for seq in 1..=5 {
            write(&Real, dir.path(), seq, format!("state {seq}").as_bytes()).unwrap();
        }
        assert_eq!(seqs_in(dir.path()).unwrap(), [4, 5]);
        let path = path_of(dir.path(), 5);
        let good = std::fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bad).unwrap();
            let found = load(dir.path()).unwrap();
            assert_eq!(found.newest, Some(Checkpoint { seq: 4, state: b"state 4".to_vec() }), "bit {bit}");
            assert_eq!(found.damage.len(), 1);
        }
        std::fs::write(&path, &good[..20]).unwrap();
        assert_eq!(load(dir.path()).unwrap().newest.unwrap().seq, 4);
        std::fs::write(&path, good).unwrap();
        assert_eq!(load(dir.path()).unwrap().newest.unwrap().state, b"state 5");
    }
}
