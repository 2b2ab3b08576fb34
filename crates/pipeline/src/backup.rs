//! Backups: everything that is stored, as one archive, made while Hinomi runs; and the way back.
//!
//! # In one breath
//!
//! [`Handle::back_up`](crate::Handle::back_up) makes a copy of the engines' folders (links where possible), [`Backup::write`]
//! streams it as a tar in zstd frames. [`restore`] reads such an archive into a folder beside the target and renames it
//! into place when every byte is right. Bytes: `docs/formats/backup.md`.
//!
//! # Invariants
//!
//! - Everything acknowledged before the call is in it; writing goes on meanwhile.
//! - One backup at a time; its copy vanishes with it, or at the next start ([`remove_leftovers`]).
//! - Memory does not grow with what is stored.
//! - A cut or a changed byte anywhere is an error that names the place; until everything is checked, the target of a
//!   restore is as it was.
//! - Bytes of strangers make no file outside of the new folder, and no more than the archive announces and the disk has.

mod error;
mod frames;
mod make;
mod manifest;
mod names;
mod read;
mod restore;
mod tar;

pub use error::RestoreError;
pub use frames::Sum;
pub use make::Backup;
pub(crate) use make::{Turn, remove_leftovers};
pub use manifest::{FORMAT_VERSION, Head};
pub use read::{Keep, read};
pub(crate) use restore::is_unfinished;
pub use restore::{Restored, restore};

#[cfg(test)]
mod archive_tests;
