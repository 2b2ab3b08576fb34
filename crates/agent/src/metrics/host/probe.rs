//! Asks a filesystem how full it is, without being held up by one that does not answer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use rustix::fs::StatVfs;

type Answer = Result<StatVfs, rustix::io::Errno>;

/// Asks for filesystems on the network in a thread of its own. While one of them does not answer, all of them count
/// as failing: there is never more than one thread that hangs.
#[derive(Debug)]
pub(super) struct Prober {
    timeout: Duration,
    worker: Option<(SyncSender<PathBuf>, Receiver<Answer>)>,
    /// An answer is owed.
    waiting: bool,
}

impl Prober {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, worker: None, waiting: false }
    }

    /// Asks a filesystem that can't hang.
    pub(super) fn local(path: &Path) -> Option<StatVfs> {
        rustix::fs::statvfs(path).ok()
    }

    /// Asks a filesystem that may hang; `None` when it fails or does not answer in time.
    pub(super) fn remote(&mut self, path: &Path) -> Option<StatVfs> {
        let timeout = self.timeout;
        let (ask, answers) = self.worker.get_or_insert_with(start);
        if self.waiting {
            match answers.try_recv() {
                Ok(_late) => self.waiting = false,
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    self.worker = None;
                    self.waiting = false;
                    return None;
                }
            }
        }
        ask.send(path.to_owned()).ok()?;
        match answers.recv_timeout(timeout) {
            Ok(answer) => answer.ok(),
            Err(RecvTimeoutError::Timeout) => {
                self.waiting = true;
                None
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.worker = None;
                None
            }
        }
    }
}

/// The thread ends when the other side is dropped, and not before the kernel lets it go.
fn start() -> (SyncSender<PathBuf>, Receiver<Answer>) {
    let (ask, asked) = sync_channel::<PathBuf>(1);
    let (answer, answers) = sync_channel(1);
    let work = move || {
        while let Ok(path) = asked.recv() {
            if answer.send(rustix::fs::statvfs(&path)).is_err() {
                return;
            }
        }
    };
    // Where no thread can be had both ends are dropped, and asking says so.
    if let Err(error) = std::thread::Builder::new().name("hinomi-statvfs".to_owned()).spawn(work) {
        tracing::warn!(%error, "cannot ask filesystems on the network how full they are");
    }
    (ask, answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_by_thread_is_asking() {
        let mut prober = Prober::new(Duration::from_secs(20));
        let here = Prober::local(Path::new("/")).map(|stat| stat.f_blocks);
        assert_eq!(prober.remote(Path::new("/")).map(|stat| stat.f_blocks), here);
        assert!(prober.remote(Path::new("/no/such/folder")).is_none());
        assert!(prober.remote(Path::new("/")).is_some());
    }

    #[test]
    fn one_that_hangs_holds_nobody_up_twice() {
        let mut prober = Prober::new(Duration::from_millis(1));
        let (ask, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        prober.worker = Some((ask, answers));
        assert!(prober.remote(Path::new("/hangs")).is_none());
        assert!(prober.waiting);
        assert!(prober.remote(Path::new("/other")).is_none());
        // Only the first was asked. When its answer comes at last, it is not taken for that of another.
        assert_eq!(asked.try_iter().count(), 1);
        answer.send(rustix::fs::statvfs("/")).expect("the prober lives");
        assert!(prober.remote(Path::new("/third")).is_none());
        assert_eq!(asked.try_iter().count(), 1);
    }
}
