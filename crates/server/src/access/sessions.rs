//! Sessions of browsers: a bounded set, in memory and in one small file.
//!
//! File: `installation ID` on a line, and one session a line, `EXPIRY MAC`: seconds since 1970, and in hex the HMAC-SHA256
//! of the cookie's value under the token. Lines that are not so are left out. Whoever reads the file can't make a cookie
//! of it.
//!
//! Invariant: only its end, a logout or one too many takes a session away; a clock that was set back, or was far ahead
//! when the session began, at most makes it sleep.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::watch;

use crate::Error;

/// Name of the file in the data folder.
pub(super) const FILE: &str = "sessions";
/// How long a session lasts, seconds: 30 days.
pub(super) const LIFE_SECS: u64 = 30 * 86_400;
/// How far the clock may be set back without that those who just logged in are refused, seconds: a day.
const SET_BACK_SECS: u64 = 86_400;
/// Sessions at once; one more ends one that the clock makes sleep, else the one that would end first.
const MAX: usize = 256;
/// Longest file that is read, bytes.
const FILE_MAX_BYTES: u64 = 64 * 1024;
/// Random bytes of a session.
const ID_BYTES: usize = 32;
/// Random bytes of an installation's id: so many that two which one person opens do not meet.
const INSTALLATION_BYTES: usize = 4;
/// What the line with it begins with.
const INSTALLATION: &str = "installation ";

/// Keyed hash of a session's id.
pub(super) type Mac = [u8; 32];

/// What a cookie says: 256 random bits in hex.
pub(super) fn new_id() -> Result<String, Error> {
    random::<ID_BYTES>()
}

/// So many random bytes in hex.
fn random<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
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
    /// Those of the file's text that are not over.
    fn parse(text: &str, now: u64) -> Self {
        let mut sessions = Self { open: text.lines().filter_map(line).take(MAX).collect() };
        sessions.forget(now);
        sessions
    }

    pub(super) fn contains(&self, mac: &Mac, now: u64) -> bool {
        // Macs are made with a key that callers do not know: the time of a comparison helps nobody.
        self.open.iter().any(|(expiry, open)| open == mac && is_awake(*expiry, now))
    }

    pub(super) fn add(&mut self, mac: Mac, now: u64) {
        self.forget(now);
        if self.open.len() >= MAX
            && let Some((least, _)) =
                self.open.iter().enumerate().min_by_key(|(_, (expiry, _))| (is_awake(*expiry, now), *expiry))
        {
            self.open.swap_remove(least);
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
        self.open.retain(|(expiry, _)| *expiry > now);
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
    installation: String,
    changes: watch::Sender<()>,
}

impl Kept {
    /// Those of the file. A file that can't be read is as none: everybody logs in again.
    pub(super) fn new(file: PathBuf, now: u64) -> Result<Self, Error> {
        let text = read(&file);
        let installation = match installation(&text) {
            Some(stored) => stored.to_owned(),
            // It is stored with the first session: without one nobody has seen it.
            None => random::<INSTALLATION_BYTES>()?,
        };
        let sessions = Mutex::new(Sessions::parse(&text, now));
        Ok(Self { sessions, file: Mutex::new(file), installation, changes: watch::Sender::new(()) })
    }

    /// What tells this Hinomi's cookies from those of others: browsers send a host's cookies to all of its ports.
    pub(super) fn installation(&self) -> &str {
        &self.installation
    }

    pub(super) fn contains(&self, mac: &Mac, now: u64) -> bool {
        self.lock().contains(mac, now)
    }

    /// Tells of every change of the set from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Ends a session. One that is none costs no look at the disk.
    pub(super) fn remove(&self, mac: &Mac) {
        let is_open = self.lock().open.iter().any(|(_, open)| open == mac);
        if is_open {
            self.change(|sessions| sessions.remove(mac));
        }
    }

    /// Changes the set; if `change` says that it did, the file is written. A disk that refuses costs a login after the
    /// next restart, or revives a session that was ended.
    pub(super) fn change(&self, change: impl FnOnce(&mut Sessions) -> bool) {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let mut sessions = self.lock();
            change(&mut sessions).then(|| format!("{INSTALLATION}{}\n{}", self.installation, sessions.text()))
        };
        let Some(text) = text else { return };
        self.changes.send_replace(());
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
fn is_awake(expiry: u64, now: u64) -> bool {
    expiry > now && expiry - now <= LIFE_SECS + SET_BACK_SECS
}

fn read(file: &Path) -> String {
    match hinomi_disk::file::read_bounded(file, FILE_MAX_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
        Err(error) => {
            if file.exists() {
                tracing::warn!(%error, "the sessions can't be read; browsers log in again");
            }
            String::new()
        }
    }
}

fn installation(text: &str) -> Option<&str> {
    let id = text.lines().find_map(|line| line.strip_prefix(INSTALLATION))?;
    (id.len() == 2 * INSTALLATION_BYTES && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
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

    type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

    fn mac_of(n: u64) -> Mac {
        let mut mac = [7; 32];
        mac[..8].copy_from_slice(&n.to_le_bytes());
        mac
    }

    #[test]
    fn the_set_is_bounded_and_forgets() -> Result {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let kept = Kept::new(file.clone(), 0)?;
        let many = 300;
        for n in 0..many {
            kept.change(|sessions| {
                sessions.add(mac_of(n), 1000 + n);
                n + 1 == many
            });
        }
        assert_eq!(kept.lock().open.len(), MAX);
        let now = 1000 + many;
        assert!(!kept.contains(&mac_of(43), now) && kept.contains(&mac_of(44), now), "the oldest went");
        let again = Kept::new(file.clone(), now)?;
        assert_eq!(again.lock().open, kept.lock().open);
        assert_eq!(again.installation(), kept.installation());
        let later = 1044 + LIFE_SECS;
        assert!(!again.contains(&mac_of(44), later) && again.contains(&mac_of(45), later));
        assert!(Kept::new(file, now + LIFE_SECS)?.lock().open.is_empty());
        Ok(())
    }

    #[test]
    fn a_clock_that_goes_back_ends_nothing() -> Result {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let begin = 100 * 86_400;
        let kept = Kept::new(file.clone(), begin)?;
        let add = |kept: &Kept, n: u64, now: u64| {
            kept.change(|sessions| {
                sessions.add(mac_of(n), now);
                true
            });
        };
        add(&kept, 1, begin);
        assert!(kept.contains(&mac_of(1), begin - 60), "set right by a minute");
        assert!(!kept.contains(&mac_of(1), 5), "made when the clock was far ahead, as it seems");
        // A machine whose clock begins in 1970 after a power cut: somebody logs in before the time is known.
        let again = Kept::new(file.clone(), 5)?;
        add(&again, 2, 5);
        assert!(again.contains(&mac_of(2), 6) && !again.contains(&mac_of(1), 6));
        let right = Kept::new(file, begin + 60)?;
        assert!(right.contains(&mac_of(1), begin + 60));
        // Those that sleep give way first.
        for n in 3..600 {
            add(&right, n, 1000 + n);
        }
        assert!(right.contains(&mac_of(599), 2000) && right.contains(&mac_of(345), 2000));
        Ok(())
    }

    #[test]
    fn what_is_no_session_is_not_written() -> Result {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let kept = Kept::new(file.clone(), 0)?;
        kept.remove(&mac_of(1));
        assert!(!file.exists());
        Ok(())
    }

    #[test]
    fn a_damaged_file_costs_only_its_damage() -> Result {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let good = format!("2000 {}", hex(&[0xab; 32]));
        let odd = [good.replace("ab", "g0"), good.replace(' ', "  ")];
        let lines = ["", "2000", "x y", "2000 abcd", &good, &odd[0], &odd[1], "installation 0a1b2c3d"];
        std::fs::write(&file, lines.join("\n"))?;
        let kept = Kept::new(file.clone(), 1000)?;
        assert_eq!(kept.lock().open, [(2000, [0xab; 32])]);
        assert_eq!(kept.installation(), "0a1b2c3d");
        for odd in ["", "0a1b2c3", "0a1b2c3d4", "0a1b2c3;", "0a1b=c3d"] {
            assert_eq!(installation(&format!("{INSTALLATION}{odd}\n")), None, "{odd}");
        }
        std::fs::write(&file, vec![b'1'; 70_000])?;
        assert!(Kept::new(file, 1000)?.lock().open.is_empty());
        Ok(())
    }
}
