//! Writers of samples that never rest, and the book of what was acknowledged to them.
//!
//! Every value follows from its writer, its series and its time, so that a wrong one shows wherever it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hinomi_testkit::chance::Chance;
use hinomi_testkit::net;
use hinomi_testkit::remote_write::{Request, Sender};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// Series of each writer; a request carries one sample of each.
pub const SERIES: usize = 40;
/// Time between two requests' samples.
pub const STEP_MS: i64 = 3000;
/// Longest range that one question of a check covers.
const WINDOW_MS: i64 = 2 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;
/// A writer's pause between two requests: what is written has to be read again.
const PACE_MS: u64 = 8;
const LIMIT: Duration = Duration::from_secs(20);

/// What one writer knows.
#[derive(Debug, Default)]
struct Book {
    acknowledged: BTreeSet<i64>,
    /// Sent, and no success heard of it: it may be there or not.
    unknown: BTreeSet<i64>,
}

/// Writers that share one clock of samples.
#[derive(Debug)]
pub struct Writers {
    address: SocketAddr,
    first_ms: i64,
    next_ms: AtomicI64,
    books: Vec<Mutex<Book>>,
    refusals: Mutex<BTreeMap<u16, (u64, String)>>,
    stop: AtomicBool,
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since the epoch.
pub(crate) fn wall_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// The value of a sample.
fn value(writer: usize, series: usize, at_ms: i64) -> f64 {
    let stream = at_ms.cast_unsigned() ^ ((writer * SERIES + series) as u64) << 48;
    let whole = u32::try_from(Chance::stream(stream).between(0, 1 << 30)).unwrap_or(0);
    f64::from(whole) / 8.0
}

impl Writers {
    /// So many, to that address; their samples begin ten days ago.
    #[must_use]
    pub fn new(address: SocketAddr, writers: usize) -> Self {
        let first_ms = (wall_ms() / HOUR_MS - 240) * HOUR_MS;
        Self {
            address,
            first_ms,
            next_ms: AtomicI64::new(first_ms),
            books: (0..writers).map(|_| Mutex::default()).collect(),
            refusals: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// All of them write while `body` runs, which gets them too.
    ///
    /// # Errors
    ///
    /// What `body` says.
    pub fn write_during<T>(&self, body: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        self.stop.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for writer in 0..self.books.len() {
                scope.spawn(move || self.write(writer));
            }
            let _stop = Stop(&self.stop);
            body(self)
        })
    }

    fn write(&self, writer: usize) {
        let mut chance = Chance::stream(900 + writer as u64);
        let mut sender = Sender::new(self.address, None, LIMIT);
        let mut at = self.begin(writer);
        while !self.stop.load(Ordering::SeqCst) {
            let (next, pause) = match sender.send(&request(writer, at)) {
                Ok(answer) if matches!(answer.status, 200 | 204) => {
                    let mut book = lock(&self.books[writer]);
                    book.unknown.remove(&at);
                    book.acknowledged.insert(at);
                    (true, PACE_MS)
                }
                Ok(answer) => {
                    let words = String::from_utf8_lossy(&answer.body).trim().to_owned();
                    lock(&self.refusals).entry(answer.status).or_insert_with(|| (0, words)).0 += 1;
                    (chance.once_in(2), 20)
                }
                // Some senders send again, others have forgotten.
                Err(_) => (chance.once_in(2), 20),
            };
            if next {
                at = self.begin(writer);
            }
            std::thread::sleep(Duration::from_millis(pause));
        }
    }

    fn begin(&self, writer: usize) -> i64 {
        // Noted under the lock that checks take, so that whatever is before the shared clock is in a book.
        let mut book = lock(&self.books[writer]);
        let at = self.next_ms.fetch_add(STEP_MS, Ordering::SeqCst);
        book.unknown.insert(at);
        at
    }

    /// Samples that were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.books.iter().map(|book| lock(book).acknowledged.len() * SERIES).sum()
    }

    /// Samples of which nobody knows.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.books.iter().map(|book| lock(book).unknown.len() * SERIES).sum()
    }

    /// Answers that were no success: how many of each status, and the first one's words.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<u16, (u64, String)> {
        lock(&self.refusals).clone()
    }

    /// Where a check that follows this moment may begin, milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.next_ms.load(Ordering::SeqCst)
    }

    /// When the first sample was, milliseconds.
    #[must_use]
    pub fn first_ms(&self) -> i64 {
        self.first_ms
    }

    /// Looks for every sample from `from_ms` on that is acknowledged by now, and at the values of all that are there.
    /// Returns what is wrong.
    ///
    /// # Errors
    ///
    /// When a question is not answered.
    pub fn wrong_since(&self, from_ms: i64) -> Result<Vec<String>> {
        let to_ms = self.now_ms() - STEP_MS;
        let mut wrong = Vec::new();
        for writer in 0..self.books.len() {
            let expected: BTreeSet<i64> =
                lock(&self.books[writer]).acknowledged.range(from_ms..=to_ms).copied().collect();
            let mut from = from_ms.max(self.first_ms);
            while from <= to_ms {
                let to = to_ms.min(from + WINDOW_MS - 1);
                let found = self.stored(writer, from, to)?;
                self.compare(writer, &expected.range(from..=to).copied().collect(), &found, &mut wrong);
                from = to + 1;
            }
        }
        Ok(wrong)
    }

    fn compare(&self, writer: usize, expected: &BTreeSet<i64>, found: &Found, wrong: &mut Vec<String>) {
        let nothing = BTreeMap::new();
        for series in 0..SERIES {
            let samples = found.get(&series).unwrap_or(&nothing);
            for at in expected.iter().filter(|at| !samples.contains_key(at)) {
                wrong.push(format!("writer {writer}, series {series}: acknowledged at {at} and not there"));
            }
            let book = lock(&self.books[writer]);
            for (at, bits) in samples {
                let right = value(writer, series, *at);
                if *bits != right.to_bits() {
                    let read = f64::from_bits(*bits);
                    wrong.push(format!(
                        "writer {writer}, series {series}: {read} at {at}, was sent as {right}"
                    ));
                } else if !book.acknowledged.contains(at) && !book.unknown.contains(at) {
                    wrong
                        .push(format!("writer {writer}, series {series}: a sample at {at} that nobody sent"));
                }
            }
        }
        if let Some(strange) = found.keys().find(|series| **series >= SERIES) {
            wrong.push(format!("writer {writer}: a series {strange} that nobody sent"));
        }
    }

    /// What is stored from `from_ms` up to and including `to_ms`.
    fn stored(&self, writer: usize, from_ms: i64, to_ms: i64) -> Result<Found> {
        // A range leaves its first moment out.
        let range_ms = to_ms - from_ms + 1;
        let seconds = format!("{}.{:03}", to_ms / 1000, to_ms % 1000);
        let path =
            format!("/api/v1/query?query=kept%7Bwriter%3D%22{writer}%22%7D%5B{range_ms}ms%5D&time={seconds}");
        let answer = net::request(None, self.address, "GET", &path, &[], &[], LIMIT)?;
        ensure!(
            answer.status == 200,
            "GET {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        found(&answer.json()?).with_context(|| path.clone())
    }
}

/// Bits of the values by series and time.
type Found = BTreeMap<usize, BTreeMap<i64, u64>>;

fn found(answer: &Value) -> Option<Found> {
    let mut all = Found::new();
    for row in answer["data"]["result"].as_array()? {
        let series = row["metric"]["series"].as_str()?.parse().ok()?;
        let samples = all.entry(series).or_default();
        for point in row["values"].as_array()? {
            // Written as seconds with three places at most.
            let at = point[0].to_string();
            let (whole, part) = at.split_once('.').unwrap_or((&at, ""));
            let ms = format!("{whole}{part:0<3}").parse().ok()?;
            samples.insert(ms, point[1].as_str()?.parse::<f64>().ok()?.to_bits());
        }
    }
    Some(all)
}

fn request(writer: usize, at_ms: i64) -> Vec<u8> {
    let mut request = Request::default();
    let name = writer.to_string();
    for series in 0..SERIES {
        let number = series.to_string();
        let labels = [("__name__", "kept"), ("series", number.as_str()), ("writer", name.as_str())];
        request.series(&labels, &[(at_ms, value(writer, series, at_ms))]);
    }
    request.packed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_answers_to_the_millisecond() {
        let answer = serde_json::json!({ "data": { "result": [
            { "metric": { "series": "3" }, "values": [[1700000000, "0.5"], [1700000001.25, "2"]] },
        ] } });
        let samples = [(1_700_000_000_000, 0.5_f64.to_bits()), (1_700_000_001_250, 2.0_f64.to_bits())];
        assert_eq!(found(&answer), Some(BTreeMap::from([(3, BTreeMap::from(samples))])));
    }

    #[test]
    fn what_is_missing_false_or_strange_is_told() {
        let writers = Writers::new(SocketAddr::from(([127, 0, 0, 1], 1)), 1);
        let (first, second) = (writers.begin(0), writers.begin(0));
        let all = |at| (0..SERIES).map(move |series| (series, (at, value(0, series, at).to_bits())));
        let mut stored = Found::new();
        for (series, (at, bits)) in all(first).chain(all(second)) {
            stored.entry(series).or_default().insert(at, bits);
        }
        let wrong = |stored: &Found| {
            let mut wrong = Vec::new();
            writers.compare(0, &BTreeSet::from([first]), stored, &mut wrong);
            wrong.len()
        };
        assert_eq!(wrong(&stored), 0, "what nobody knows of may be there");
        stored.get_mut(&1).unwrap().remove(&second);
        assert_eq!(wrong(&stored), 0, "or not");
        stored.get_mut(&2).unwrap().insert(second, 1);
        stored.get_mut(&3).unwrap().remove(&first);
        stored.get_mut(&4).unwrap().insert(second + STEP_MS, value(0, 4, second + STEP_MS).to_bits());
        assert_eq!(wrong(&stored), 3);
    }
}
