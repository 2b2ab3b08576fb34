//! Sessions of browsers: a bounded set, in memory and in one small file.
//!
//! File: one session a line, `EXPIRY MAC`: seconds since 1970, and in hex the HMAC-SHA256 of the cookie's value under the
//! token. Lines that are not so are left out. Whoever reads the file can't make a cookie of it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::Error;

/// Name of the file in the data folder.
pub(super) const FILE: &str = "sessions";
/// How long a session lasts, seconds: 30 days.
pub(super) const LIFE_SECS: u64 = 30 * 86_400;
/// Sessions at once; one more ends the one that would end first.
const MAX: usize = 256;
/// Longest file that is read, bytes.
const FILE_MAX_BYTES: u64 = 64 * 1024;
/// Random bytes of a session.
const ID_BYTES: usize = 32;

/// Keyed hash of a session's id.
pub(super) type Mac = [u8; 32];

/// What a cookie says: 256 random bits in hex.
pub(super) fn new_id() -> Result<String, Error> {
    let mut bytes = [0; ID_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::Died("the system gave no random bytes".to_owned()))?;
    Ok(hex(&bytes))
}

/// What is stored of a session.
pub(super) fn mac(key: &hmac::Key, id: &str) -> Mac {
    let mut context = hmac::Context::with_key(key);
    // Another domain than the token's own tag.
    context.update(b"session:");
    context.update(id.as_bytes());
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

/// Those that are open: expiry and mac.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Vec<(u64, Mac)>,
}

impl Sessions {
    /// Those of the file that are not over. A file that can't be read is as none: everybody logs in again.
    pub(super) fn read(file: &Path, now: u64) -> Self {
        let text = match hinomi_disk::file::read_bounded(file, FILE_MAX_BYTES) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            Err(error) => {
                if file.exists() {
                    tracing::warn!(%error, "the sessions can't be read; browsers log in again");
                }
                String::new()
            }
        };
        let mut sessions = Self { open: text.lines().filter_map(line).take(MAX).collect() };
        sessions.forget(now);
        sessions
    }

    pub(super) fn contains(&self, mac: &Mac, now: u64) -> bool {
        // Macs are made with a key that callers do not know: the time of a comparison helps nobody.
        self.open.iter().any(|(expiry, open)| open == mac && alive(*expiry, now))
    }

    pub(super) fn add(&mut self, mac: Mac, now: u64) {
        self.forget(now);
        if self.open.len() >= MAX
            && let Some(first) = (0..self.open.len()).min_by_key(|at| self.open.get(*at).map(|open| open.0))
        {
            self.open.swap_remove(first);
        }
        self.open.push((now.saturating_add(LIFE_SECS), mac));
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, mac: &Mac) -> bool {
        let before = self.open.len();
        self.open.retain(|(_, open)| open != mac);
        self.open.len() < before
    }

    fn forget(&mut self, now: u64) {
        self.open.retain(|(expiry, _)| alive(*expiry, now));
    }

    fn text(&self) -> String {
        self.open.iter().map(|(expiry, mac)| format!("{expiry} {}\n", hex(mac))).collect()
    }
}

/// [`Sessions`] and their file. Questions wait for no disk.
#[derive(Debug)]
pub(super) struct Kept {
    sessions: Mutex<Sessions>,
    /// Held while the file is written, so that the newest text is the last one.
    file: Mutex<PathBuf>,
}

impl Kept {
    pub(super) fn new(file: PathBuf, now: u64) -> Self {
        Self { sessions: Mutex::new(Sessions::read(&file, now)), file: Mutex::new(file) }
    }

    pub(super) fn contains(&self, mac: &Mac, now: u64) -> bool {
        self.lock().contains(mac, now)
    }

    /// Changes the set; if `change` says that it did, the file is written. A disk that refuses costs a login after the
    /// next restart, or revives a session that was ended.
    pub(super) fn change(&self, change: impl FnOnce(&mut Sessions) -> bool) {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let mut sessions = self.lock();
            change(&mut sessions).then(|| sessions.text())
        };
        let Some(text) = text else { return };
        let stored = hinomi_disk::file::write_atomic(&file, text.as_bytes());
        // Nothing in it is of use to a reader; but nobody needs to read it.
        let _as_it_was = std::fs::set_permissions(&*file, Permissions::from_mode(0o600));
        if let Err(error) = stored {
            tracing::warn!(%error, "the sessions can't be stored; a restart ends or revives some");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not over, and not of a time in which the clock was far ahead.
fn alive(expiry: u64, now: u64) -> bool {
    expiry > now && expiry - now <= LIFE_SECS
}

fn line(text: &str) -> Option<(u64, Mac)> {
    let (expiry, mac) = text.split_once(' ')?;
    Some((expiry.parse().ok()?, unhex(mac)?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Mac> {
    let mut mac = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in mac.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_bounded_and_forgets() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let kept = Kept::new(file.clone(), 0);
        let mac = |n: u64| {
            let mut mac = [7; 32];
            mac[..8].copy_from_slice(&n.to_le_bytes());
            mac
        };
        let many = 300;
        for n in 0..many {
            kept.change(|sessions| {
                sessions.add(mac(n), 1000 + n);
                n + 1 == many
            });
        }
        assert_eq!(kept.lock().open.len(), MAX);
        let now = 1000 + many;
        assert!(!kept.contains(&mac(43), now) && kept.contains(&mac(44), now), "the oldest went");
        let again = Sessions::read(&file, now);
        assert_eq!(again.open, kept.lock().open);
        assert!(!again.contains(&mac(44), 1044 + LIFE_SECS) && again.contains(&mac(45), 1044 + LIFE_SECS));
        assert!(!again.contains(&mac(299), 5), "made when the clock was ahead");
        assert!(Sessions::read(&file, now + LIFE_SECS).open.is_empty());
        Ok(())
    }

    #[test]
    fn a_damaged_file_costs_only_its_damage() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let good = format!("2000 {}", hex(&[0xab; 32]));
        let odd = [good.replace("ab", "g0"), good.replace(' ', "  ")];
        let lines = ["", "2000", "x y", "2000 abcd", &good, &odd[0], &odd[1]];
        std::fs::write(&file, lines.join("\n"))?;
        assert_eq!(Sessions::read(&file, 1000).open, [(2000, [0xab; 32])]);
        std::fs::write(&file, vec![b'1'; 70_000])?;
        assert!(Sessions::read(&file, 1000).open.is_empty());
        Ok(())
    }
}
