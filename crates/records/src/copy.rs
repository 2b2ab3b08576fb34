//! A copy of the folder while the store runs.

use std::path::Path;
use std::sync::PoisonError;

use hinomi_disk::copy::link_or_copy;
use hinomi_disk::file::create_dir;

use crate::store::Store;
use crate::{Result, checkpoint};

/// How often the checkpoints are looked up anew: the writer puts new ones in the place of old ones.
const TRIES: usize = 5;

/// What a copy took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Number of the last record that is surely in it.
    pub last_seq: u64,
    /// Bytes that were written for it: complete files are linked where the system allows that.
    pub written_bytes: u64,
}

impl Store {
    /// Makes the folder `to` and in it a copy of everything that was on the disk before the call. Open it as any other
    /// folder of the store. Appends and questions go on meanwhile, removal of the old waits.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Disk`]; part of a copy may then be there.
    pub fn copy_to(&self, to: &Path) -> Result<Copied> {
        let _no_removal = self.shared.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let fs = &*self.shared.fs;
        create_dir(fs, to)?;
        // Checkpoints first: the journal that is copied behind them is never behind them (R4).
        let mut written_bytes = self.copy_checkpoints(to)?;
        let last_seq = self.last_seq();
        written_bytes = written_bytes.saturating_add(self.shared.journal.copy_to(&to.join("journal"))?);
        fs.sync_dir(to).map_err(|source| hinomi_disk::Error::Io {
            action: "sync the folder",
            path: to.to_owned(),
            source,
        })?;
        Ok(Copied { last_seq, written_bytes })
    }

    fn copy_checkpoints(&self, to: &Path) -> Result<u64> {
        let mut written = 0_u64;
        for attempt in 1..=TRIES {
            let mut gone = false;
            for seq in self.checkpoints() {
                let (from, to) = (checkpoint::path_of(&self.options.dir, seq), checkpoint::path_of(to, seq));
                if to.exists() {
                    continue;
                }
                match link_or_copy(&*self.shared.fs, &from, &to) {
                    Ok(true) => {
                        let bytes = std::fs::metadata(&to).map_or(0, |meta| meta.len());
                        written = written.saturating_add(bytes);
                    }
                    Ok(false) => {}
                    Err(hinomi_disk::Error::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::NotFound && attempt < TRIES =>
                    {
                        gone = true;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if !gone {
                break;
            }
        }
        Ok(written)
    }
}
