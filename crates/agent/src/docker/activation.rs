//! Tells, without a connection, whether a daemon lives behind a socket that somebody else may hold for it.
//!
//! # In one breath
//!
//! With socket activation (Debian's default) systemd listens on `/run/docker.sock`, and whoever connects makes it
//! start dockerd. So before each connect [`Guard::look`] asks procfs: is there a daemon, and does it hold the
//! listening socket? One that stops lets go of it first; whoever connects then makes systemd start the next.
//!
//! # Invariants
//!
//! - Nothing here connects, writes or waits.
//! - What cannot be read speaks for the daemon: a process that may be it counts as it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest pid file and process name read.
const WORD_BYTES: u64 = 64;
/// Longest table of unix sockets read.
const TABLE_BYTES: u64 = 16 << 20;
/// The flag of a listening socket in that table (`__SO_ACCEPTCON`).
const LISTENS: u32 = 0x1_0000;

/// Where traces of systemd and of the daemon are.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Exists where systemd runs.
    pub systemd: PathBuf,
    /// The daemon's pid file.
    pub pid_file: PathBuf,
    /// Sockets that systemd may hold.
    pub sockets: Vec<PathBuf>,
}

impl Default for Activation {
    fn default() -> Self {
        Self {
            systemd: PathBuf::from("/run/systemd/system"),
            pid_file: PathBuf::from("/run/docker.pid"),
            sockets: vec![PathBuf::from("/run/docker.sock"), PathBuf::from("/var/run/docker.sock")],
        }
    }
}

/// What stands behind a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Nobody holds this socket for a daemon: connecting starts nothing.
    Free,
    /// This daemon serves it.
    Daemon(u32),
    /// This daemon lives and has let go of it: it stops.
    Stopping(u32),
    /// No daemon: connecting would start one.
    Nobody,
}

/// Looks before each connect. Clones share what was learnt.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    activation: Activation,
    proc_root: PathBuf,
    /// Process 1 was seen to listen.
    held_by_init: Arc<AtomicBool>,
}

impl Guard {
    pub(crate) fn new(activation: Activation, proc_root: PathBuf) -> Self {
        Self { activation, proc_root, held_by_init: Arc::default() }
    }

    /// Notes who listens.
    pub(crate) fn saw_listener(&self, pid: u32) {
        self.held_by_init.fetch_or(pid == 1, Ordering::Relaxed);
    }

    /// What stands behind the socket.
    pub(crate) fn look(&self, socket: &Path) -> Behind {
        let held_by_init = self.held_by_init.load(Ordering::Relaxed);
        if !may_be_activated(self.is_systemd(), self.is_usual(socket), held_by_init) {
            return Behind::Free;
        }
        let named = self.named_daemon();
        let others = self.processes().filter(|pid| Some(*pid) != named && self.is_daemon(*pid));
        match named.into_iter().chain(others).find(|pid| self.may_hold(*pid, socket)) {
            Some(pid) => Behind::Daemon(pid),
            None => named.map_or(Behind::Nobody, Behind::Stopping),
        }
    }

    fn is_systemd(&self) -> bool {
        // Inside of a container the marker is hidden; the host's procfs still says who is first.
        self.activation.systemd.exists() || self.comm(1).as_deref() == Some("systemd")
    }

    fn is_usual(&self, socket: &Path) -> bool {
        let real = socket.canonicalize();
        real.is_ok_and(|real| self.activation.sockets.iter().any(|usual| *usual == real || usual == socket))
    }

    fn comm(&self, pid: u32) -> Option<String> {
        let text = read(&self.proc_root.join(pid.to_string()).join("comm"), WORD_BYTES)?;
        Some(text.trim().to_owned())
    }

    /// Whether it lives and is a dockerd: numbers of dead ones are given away again.
    fn is_daemon(&self, pid: u32) -> bool {
        self.comm(pid).is_some_and(|comm| comm.starts_with("dockerd"))
    }

    fn named_daemon(&self) -> Option<u32> {
        let pid: u32 = read(&self.activation.pid_file, WORD_BYTES)?.trim().parse().ok()?;
        // A procfs that hides the processes of others (`hidepid`) hides the first one too.
        let is_hidden = !self.proc_root.join("1").exists();
        (is_hidden || self.is_daemon(pid)).then_some(pid)
    }

    fn processes(&self) -> impl Iterator<Item = u32> + use<> {
        let entries = std::fs::read_dir(&self.proc_root).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// `false` only if its open files are readable and the listening socket is not among them.
    fn may_hold(&self, pid: u32, socket: &Path) -> bool {
        let tables = [pid, 1].map(|of| self.proc_root.join(of.to_string()).join("net/unix"));
        let tables: Vec<String> = tables.iter().filter_map(|table| read(table, TABLE_BYTES)).collect();
        let inodes: Vec<&str> = tables.iter().flat_map(|table| listening(table, socket)).collect();
        let Ok(files) = std::fs::read_dir(self.proc_root.join(pid.to_string()).join("fd")) else {
            return true;
        };
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        inodes.is_empty() || links.any(|link| is_one_of(&link, &inodes))
    }
}

/// Whether connecting may make systemd start a daemon.
fn may_be_activated(is_systemd: bool, is_usual_socket: bool, held_by_init: bool) -> bool {
    held_by_init || (is_systemd && is_usual_socket)
}

/// Inodes that listen on the socket, by `/proc/net/unix`: the bound path may say `/var/run` for `/run`.
fn listening<'a>(table: &'a str, socket: &Path) -> impl Iterator<Item = &'a str> + use<'a> {
    let plain =
        |path: &Path| path.strip_prefix("/var").map_or_else(|_| path.to_owned(), |p| Path::new("/").join(p));
    let wanted = plain(socket);
    table.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        let (inode, path) = (words.nth(2)?, words.next()?);
        (flags & LISTENS != 0 && plain(Path::new(path)) == wanted).then_some(inode)
    })
}

fn is_one_of(link: &Path, inodes: &[&str]) -> bool {
    let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
    inode.is_some_and(|inode| inodes.contains(&inode))
}

fn read(path: &Path, limit: u64) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_started_by_a_connect() {
        let table = [
            (true, true, false, true),
            (true, false, false, false),
            (false, true, false, false),
            (false, false, true, true),
            (false, false, false, false),
        ];
        for (is_systemd, is_usual, held_by_init, want) in table {
            assert_eq!(may_be_activated(is_systemd, is_usual, held_by_init), want);
        }
    }

    #[test]
    fn the_listening_inode_of_the_socket() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0001 01 11 /run/docker.sock\n\
            0000: 00000003 00000000 00000000 0001 03 12 /run/docker.sock\n\
            0000: 00000002 00000000 00010000 0001 01 13 /var/run/docker.sock\n\
            0000: 00000002 00000000 00010000 0001 01 14\n\
            0000: 00000002 00000000 00010000 0001 01 15 /run/other.sock\n";
        for socket in ["/run/docker.sock", "/var/run/docker.sock"] {
            assert_eq!(listening(table, Path::new(socket)).collect::<Vec<_>>(), ["11", "13"], "{socket}");
        }
    }

    /// A procfs with these dockerds: pid, inode of the socket it holds.
    fn look(systemd: bool, pid_file: &str, dockerds: &[(u32, u32)]) -> Behind {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let socket = path("sock").canonicalize().unwrap_or_else(|_| path("sock"));
        std::fs::write(&socket, "").expect("written");
        if systemd {
            std::fs::create_dir(path("systemd")).expect("made");
        }
        std::fs::write(path("pid"), pid_file).expect("written");
        let process = |pid: u32, comm: &str| {
            let process = path("proc").join(pid.to_string());
            std::fs::create_dir_all(process.join("fd")).expect("made");
            std::fs::create_dir_all(process.join("net")).expect("made");
            std::fs::write(process.join("comm"), format!("{comm}\n")).expect("written");
            process
        };
        let first = process(1, "init");
        let line = format!("0: 2 0 00010000 0001 01 77 {}\n", socket.display());
        std::fs::write(first.join("net/unix"), line).expect("written");
        process(7, "sleep");
        for (pid, inode) in dockerds {
            let link = process(*pid, "dockerd").join("fd/3");
            std::os::unix::fs::symlink(format!("socket:[{inode}]"), link).expect("made");
        }
        let activation =
            Activation { systemd: path("systemd"), pid_file: path("pid"), sockets: vec![socket.clone()] };
        Guard::new(activation, path("proc")).look(&socket)
    }

    #[test]
    fn what_stands_behind_a_socket() {
        type Dockerds = &'static [(u32, u32)];
        let table: [(bool, &str, Dockerds, Behind); 9] = [
            (false, "", &[], Behind::Free),
            (true, "", &[], Behind::Nobody),
            (true, "40", &[], Behind::Nobody),
            (true, "7", &[], Behind::Nobody),
            (true, "40\n", &[(40, 77)], Behind::Daemon(40)),
            (true, "junk", &[(40, 77)], Behind::Daemon(40)),
            (true, "40", &[(40, 78)], Behind::Stopping(40)),
            (true, "", &[(40, 78)], Behind::Nobody),
            (true, "40", &[(40, 78), (41, 77)], Behind::Daemon(41)),
        ];
        for (systemd, pid_file, dockerds, want) in table {
            assert_eq!(look(systemd, pid_file, dockerds), want, "{systemd} {pid_file} {dockerds:?}");
        }
    }

    #[test]
    fn a_socket_that_init_was_seen_to_hold_is_guarded_anywhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let guard =
            Guard::new(Activation { sockets: Vec::new(), ..Activation::default() }, folder.path().into());
        let socket = folder.path().join("sock");
        guard.saw_listener(2);
        assert_eq!(guard.look(&socket), Behind::Free);
        let clone = guard.clone();
        guard.saw_listener(1);
        assert_ne!(guard.look(&socket), Behind::Free);
        assert_ne!(clone.look(&socket), Behind::Free, "clones share it");
    }
}
