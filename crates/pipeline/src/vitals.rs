//! Whether Hinomi itself is well: what `/-/healthy` tells, and what the sign of life rests on.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::Handle;

/// How long the one task through which every change goes may take to answer a knock.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Knocks that wait at most.
pub(crate) const KNOCKS_MAX: usize = 8;

/// Somebody asks the judging task whether it still goes round.
pub(crate) type Knock = oneshot::Sender<()>;

/// How Hinomi is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vitals {
    /// Everything works.
    Healthy,
    /// It judges; these parts do not work: names of collectors, `receivers`, `storage`. What they say is told to those
    /// only who may ask for the status.
    Degraded(Vec<String>),
    /// The disk takes nothing more: it judges from memory, and says so.
    OutOfDisk,
    /// Nothing is judged any more: only a restart helps.
    Stuck,
}

impl Handle {
    /// How Hinomi is. Takes up to five seconds when it is not well.
    pub async fn vitals(&self) -> Vitals {
        if !self.judges().await {
            return Vitals::Stuck;
        }
        let refused = self.refused();
        if refused.iter().any(|why| is_full(why)) {
            return Vitals::OutOfDisk;
        }
        let shared = self.shared();
        let collectors = shared.collectors.all().into_iter().filter(|one| !one.ok).map(|one| one.name);
        let failing = shared.receivers.values().any(|handle| handle.status().failing_since.is_some());
        let others = [("receivers", failing), ("storage", !refused.is_empty())];
        let others = others.into_iter().filter(|(_, broken)| *broken).map(|(name, _)| name.to_owned());
        let broken: Vec<String> = collectors.chain(others).collect();
        if broken.is_empty() { Vitals::Healthy } else { Vitals::Degraded(broken) }
    }

    /// Why no sign of life may be given now; `None`: changes are taken, stored and judged, and somebody can be told.
    pub(crate) async fn unfit(&self) -> Option<String> {
        if !self.judges().await {
            return Some("changes are not judged any more".to_owned());
        }
        if let Some(why) = self.refused().into_iter().next() {
            return Some(why);
        }
        let receivers = &self.shared().receivers;
        if receivers.is_empty() {
            return Some("no receiver is configured, so nobody can be told of anything".to_owned());
        }
        let works = receivers.values().any(|handle| handle.status().failing_since.is_none());
        (!works).then(|| "no receiver accepts messages".to_owned())
    }

    /// Whether the judging task goes round: a knock passes its queue like any change.
    async fn judges(&self) -> bool {
        let (knock, answer) = oneshot::channel();
        let asked = async {
            self.shared().knocks.send(knock).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.ok().flatten().is_some()
    }

    /// What the engines can't store, and why.
    fn refused(&self) -> Vec<String> {
        let (store, metrics) = (self.store(), self.metrics().view());
        let store = (!store.ok).then(|| store.last_error.unwrap_or_else(|| "the disk refuses".to_owned()));
        let records = store.map(|why| format!("state changes are not stored: {why}"));
        let metrics = metrics.last_error.map(|why| format!("samples are not stored: {why}"));
        records.into_iter().chain(metrics).collect()
    }
}

/// By the system's words for ENOSPC and EDQUOT.
fn is_full(why: &str) -> bool {
    ["No space left", "os error 28", "Disk quota exceeded"].iter().any(|words| why.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        assert!(is_full("state changes are not stored: write x: No space left on device (os error 28)"));
        assert!(!is_full("samples are not stored: Input/output error (os error 5)"));
    }
}
