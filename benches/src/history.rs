//! What Hinomi recorded, read back through its API: pages of time, the newest first.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hinomi_testkit::hinomi::Server;
use hinomi_testkit::process;
use serde_json::Value;

/// Changes in a page: the API's most.
const PAGE: usize = 10_000;
/// More pages would be a test gone wild.
const PAGES_MAX: usize = 200;
const MS: i64 = 1_000_000;

/// A recorded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Number in the journal.
    pub seq: u64,
    /// Container.
    pub uid: String,
    /// Attribute.
    pub attribute: String,
    /// In words.
    pub words: String,
    /// When it happened, by the clock of who saw it, to the millisecond.
    pub occurred_ns: i64,
    /// When Hinomi saw it, to the millisecond.
    pub observed_ns: i64,
}

impl Change {
    /// Of an end: the exit code in its words. `None`: no end, or its code was lost.
    #[must_use]
    pub fn exit_code(&self) -> Option<i64> {
        let text = self.words.strip_prefix("ended: exit code ")?;
        let digits = text.split(|c: char| !(c.is_ascii_digit() || c == '-')).next()?;
        digits.parse().ok()
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Self {
            seq: value["seq"].as_u64()?,
            uid: value["resource"]["uid"].as_str()?.to_owned(),
            attribute: text("attribute")?,
            words: text("words")?,
            occurred_ns: stamp(&value["occurred_at"])?,
            observed_ns: stamp(&value["observed_at"])?,
        })
    }
}

/// RFC 3339 as nanoseconds since the epoch.
fn stamp(value: &Value) -> Option<i64> {
    let stamp: jiff::Timestamp = value.as_str()?.parse().ok()?;
    i64::try_from(stamp.as_nanosecond()).ok()
}

fn rfc3339(ns: i64) -> Result<String> {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(ns))?;
    Ok(format!("{stamp:.3}"))
}

/// All changes since a point of wall time, oldest first.
///
/// # Errors
///
/// When Hinomi does not answer, or a page brings nothing new.
pub fn changes(server: &Server, since_ns: i64) -> Result<Vec<Change>> {
    let mut all = BTreeMap::new();
    let mut to = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("/api/hinomi/v1/timeline?from={}&limit={PAGE}{to}", rfc3339(since_ns)?);
        let page = server.get(&path)?;
        let changes = page["changes"].as_array().context("no changes in the timeline's answer")?;
        let parsed = changes.iter().map(|change| {
            Change::parse(change).with_context(|| format!("a change that cannot be read: {change}"))
        });
        let parsed = parsed.collect::<Result<Vec<_>>>()?;
        let oldest = parsed.iter().map(|change| change.observed_ns).min();
        let before = all.len();
        all.extend(parsed.into_iter().map(|change| (change.seq, change)));
        if page["truncated"] != true {
            return Ok(all.into_values().collect());
        }
        if all.len() == before {
            bail!("the timeline's answer is cut off and holds nothing new; paging by time ends here ({to})");
        }
        // Stamps are cut to milliseconds, and the end is exclusive: the rest of this one comes again.
        to = format!("&to={}", rfc3339(oldest.unwrap_or(since_ns) + MS)?);
    }
    bail!("more than {PAGES_MAX} pages")
}

/// Changes by container, each oldest first.
#[must_use]
pub fn by_container(changes: Vec<Change>) -> HashMap<String, Vec<Change>> {
    let mut by: HashMap<String, Vec<Change>> = HashMap::new();
    for change in changes {
        by.entry(change.uid.clone()).or_default().push(change);
    }
    by
}

/// Reads all changes again and again until `whole` finds nothing missing in them or `limit` passes; returns the last.
///
/// # Errors
///
/// As [`changes`].
pub fn settled(
    server: &Server,
    since_ns: i64,
    limit: Duration,
    whole: impl Fn(&[Change]) -> bool,
) -> Result<Vec<Change>> {
    let mut last = changes(server, since_ns)?;
    let look = || {
        if whole(&last) {
            return Some(Ok(()));
        }
        std::thread::sleep(Duration::from_secs(1));
        match changes(server, since_ns) {
            Ok(again) => last = again,
            Err(error) => return Some(Err(error)),
        }
        None
    };
    // Not whole in time: the caller says what is missing.
    process::wait_for("a whole timeline", limit, look).unwrap_or(Ok(()))?;
    Ok(last)
}

/// A time in which Hinomi says it did not see everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Begin.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
    /// `not_running`, `overflow`, …
    pub reason: String,
    /// What it says is lost.
    pub lost: Vec<String>,
}

impl Gap {
    /// Whether it says of a container by name that something of it is lost.
    #[must_use]
    pub fn names(&self, container: &str) -> bool {
        self.lost.iter().any(|text| text.split([' ', ',', ':']).any(|word| word == container))
    }

    /// Whether it covers a point of time, to the millisecond that the API shows.
    #[must_use]
    pub fn covers(&self, at_ns: i64) -> bool {
        (self.from_ns..=self.to_ns.saturating_add(MS)).contains(&at_ns)
    }
}

/// The last gaps, oldest first.
///
/// # Errors
///
/// When Hinomi does not answer.
pub fn gaps(server: &Server) -> Result<Vec<Gap>> {
    let status = server.get("/api/hinomi/v1/status")?;
    let gaps = status["gaps"].as_array().context("no gaps in the status")?;
    let parse = |gap: &Value| {
        Some(Gap {
            from_ns: stamp(&gap["from"])?,
            to_ns: stamp(&gap["to"])?,
            reason: gap["reason"].as_str()?.to_owned(),
            lost: gap["lost"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|text| Some(text.as_str()?.to_owned()))
                .collect(),
        })
    };
    let mut gaps = gaps
        .iter()
        .map(|gap| parse(gap).with_context(|| format!("a gap that cannot be read: {gap}")))
        .collect::<Result<Vec<_>>>()?;
    gaps.sort();
    Ok(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(words: &str) -> Option<i64> {
        let attribute = "exit".to_owned();
        let words = words.to_owned();
        let uid = String::new();
        Change { seq: 1, uid, attribute, words, occurred_ns: 0, observed_ns: 0 }.exit_code()
    }

    #[test]
    fn exit_codes_stand_in_the_words() {
        assert_eq!(exit("ended: exit code 0 (success)"), Some(0));
        assert_eq!(exit("ended: exit code 137 (killed by SIGKILL)"), Some(137));
        assert_eq!(exit("ended: exit code 42: because"), Some(42));
        assert_eq!(exit("ended: exit code lost"), None);
        assert_eq!(exit("running"), None);
    }

    #[test]
    fn stamps_are_read_and_written() {
        let text = "2026-11-24T08:00:00.123Z";
        let ns = stamp(&Value::from(text)).unwrap();
        assert_eq!(rfc3339(ns).unwrap(), text);
        let gap = Gap {
            from_ns: ns,
            to_ns: ns,
            reason: String::new(),
            lost: vec!["how web-1 ended (it is gone)".to_owned()],
        };
        assert!(gap.names("web-1") && !gap.names("web"));
        assert!(gap.covers(ns) && gap.covers(ns + MS) && !gap.covers(ns - 1) && !gap.covers(ns + 2 * MS));
    }
}
