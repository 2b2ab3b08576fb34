//! When to look for a start that failed: the engine says nothing about it.

use std::time::Duration;

use hinomi_model::Nanos;
use tokio::time::Instant;

/// Waits between looks, after something hinted at a start.
const LOOKS_MS: [u64; 7] = [50, 50, 100, 200, 600, 1000, 3000];

/// Tries to start, as the network events around them show.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    /// Begin of the try that goes on.
    began_at: Option<Nanos>,
    /// A network was connected for it and not disconnected yet.
    open: bool,
    /// Some network event came without a start: somebody tried.
    pub(crate) was_tried: bool,
    /// Disconnects since the last run's end; the first belongs to that end.
    disconnects: u32,
    /// The failure that was reported last, and when: events from before belong to the same try.
    reported: Option<(String, Nanos)>,
    failures: u32,
    next: Option<(Instant, usize)>,
}

impl Attempt {
    /// The next look.
    pub(crate) fn check_at(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }

    /// Begins the series of looks anew.
    pub(crate) fn schedule(&mut self) {
        self.set(0);
    }

    fn set(&mut self, index: usize) {
        self.next = LOOKS_MS.get(index).map(|wait| (Instant::now() + Duration::from_millis(*wait), index));
    }

    /// A look was taken.
    pub(crate) fn checked(&mut self) {
        if let Some((_, index)) = self.next.take() {
            self.set(index + 1);
        }
    }

    /// A network was connected while it did not run: a try began.
    pub(crate) fn connected(&mut self, at: Nanos) {
        self.began_at = Some(at);
        self.open = true;
        self.was_tried = true;
        self.forget_before(at);
    }

    fn forget_before(&mut self, at: Nanos) {
        if self.reported.as_ref().is_some_and(|(_, reported_at)| *reported_at < at) {
            self.reported = None;
        }
    }

    /// A network was disconnected while it did not run. `true`: look whether a start failed.
    pub(crate) fn disconnected(&mut self, at: Nanos, never_started: bool) -> bool {
        self.disconnects += 1;
        let lone = !std::mem::take(&mut self.open);
        if lone && (never_started || self.disconnects > 1) {
            // A taken port ends the try before its network is connected.
            self.forget_before(at);
        }
        let hints = never_started || !lone || self.disconnects > 1;
        self.was_tried |= hints;
        hints
    }

    /// Whether a failure with this text, seen at this time (wall clock), is news; remembers it.
    pub(crate) fn is_news(&mut self, error: &str, at: Nanos) -> bool {
        self.next = None;
        if self.reported.as_ref().is_some_and(|(known, _)| known == error) {
            return false;
        }
        self.reported = Some((error.to_owned(), at));
        self.failures += 1;
        true
    }

    /// Whether a failure was reported since the last run.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// A run began: the try succeeded. Returns when it began, if that was seen.
    pub(crate) fn succeeded(&mut self) -> Option<Nanos> {
        let began = self.began_at;
        *self = Self::default();
        began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bad_command_is_one_try_and_two_taken_ports_are_two() {
        let mut attempt = Attempt::default();
        attempt.connected(Nanos(1));
        assert!(attempt.is_news("exec: no such file", Nanos(3)));
        assert!(attempt.disconnected(Nanos(2), true));
        assert!(!attempt.is_news("exec: no such file", Nanos(4)), "same try");
        let mut attempt = Attempt::default();
        assert!(attempt.is_news("exec: no such file", Nanos(3)));
        attempt.connected(Nanos(1));
        assert!(!attempt.is_news("exec: no such file", Nanos(4)), "seen before its events came");
        let mut attempt = Attempt::default();
        assert!(attempt.disconnected(Nanos(1), true));
        assert!(attempt.is_news("port is already allocated", Nanos(2)));
        assert!(attempt.disconnected(Nanos(5), true));
        assert!(attempt.is_news("port is already allocated", Nanos(6)), "a second try");
    }

    #[tokio::test]
    async fn the_disconnect_after_an_end_is_no_try() {
        let mut attempt = Attempt::default();
        assert!(!attempt.disconnected(Nanos(1), false));
        assert!(!attempt.was_tried);
        attempt.connected(Nanos(1));
        assert!(attempt.disconnected(Nanos(1), false));
        assert!(attempt.was_tried);
    }

    #[tokio::test]
    async fn looks_end() {
        let mut attempt = Attempt::default();
        attempt.schedule();
        let mut looks = 0;
        while attempt.check_at().is_some() {
            attempt.checked();
            looks += 1;
        }
        assert_eq!(looks, LOOKS_MS.len());
    }
}
