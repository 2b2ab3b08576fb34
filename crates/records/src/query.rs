//! Questions about the past, answered from the files.
//!
//! Segments that do not touch the asked time are not opened. Records outside it are passed over by their head; JSON
//! is read only for what may match.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use hinomi_disk::journal::{Damages, SegmentInfo};
use hinomi_model::{Nanos, StateChange};
use serde::Deserialize;

use crate::record::{self, Fault, Kind};
use crate::store::Store;

/// Most changes that one answer holds.
const LIMIT_MAX: usize = 10_000;
/// Most stored bytes that one answer holds.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// The clock is looked at once in so many records.
const LOOK_EVERY: u32 = 256;

/// Which changes.
#[derive(Clone, Debug)]
pub struct ChangeQuery {
    /// Observed at this time or later.
    pub from: Nanos,
    /// Observed before this time.
    pub to: Nanos,
    /// Only of these resources.
    pub resource_uids: Option<BTreeSet<String>>,
    /// Only changes of these attributes, by their stored names.
    pub attributes: Option<BTreeSet<String>>,
    /// Only changes with a higher number.
    pub after: Option<u64>,
    /// Only changes in which this text stands: names, values, reason, log lines. Case does not matter.
    pub text: Option<String>,
    /// Most changes to return; never more than 10,000.
    pub limit: usize,
    /// The newest first, and of more than `limit` the newest ones.
    pub newest_first: bool,
    /// Longest time to take.
    pub deadline: Duration,
}

impl Default for ChangeQuery {
    fn default() -> Self {
        Self {
            from: Nanos(i64::MIN),
            to: Nanos(i64::MAX),
            resource_uids: None,
            attributes: None,
            after: None,
            text: None,
            limit: 1000,
            newest_first: false,
            deadline: Duration::from_secs(5),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Number and change, in the asked order.
    pub changes: Vec<(u64, StateChange)>,
    /// False when there may be more: the limit or the deadline was reached.
    pub complete: bool,
    /// What could not be read on the way.
    pub damages: Damages,
}

impl Store {
    /// Answers a question about stored changes. Blocks while it reads.
    #[must_use]
    pub fn changes(&self, query: &ChangeQuery) -> Changes {
        let mut answer = Answer::new(query);
        let mut segments = self.shared.journal.segments();
        let writing = segments.last().map(|info| info.seqs.start);
        if query.newest_first {
            segments.reverse();
        }
        for info in segments {
            if query.after.is_some_and(|after| info.seqs.end <= after.saturating_add(1)) {
                continue;
            }
            // The segment being written has no note yet, and its time is moving on: always read it.
            let sealed = Some(info.seqs.start) != writing;
            if sealed && !self.shared.span_of(&info).overlaps(query.from, query.to) {
                continue;
            }
            if !self.read_segment(&info, &mut answer) {
                break;
            }
        }
        Changes { changes: answer.taken, complete: answer.complete, damages: answer.damages }
    }

    /// Returns whether the answer has room and time for another segment.
    fn read_segment(&self, info: &SegmentInfo, answer: &mut Answer<'_>) -> bool {
        let mut going_on = true;
        let first = answer.query.after.map_or(0, |after| after.saturating_add(1));
        let seqs = info.seqs.start.max(first)..info.seqs.end;
        let scan = self.shared.journal.scan(seqs, &mut |seq, payload| {
            match answer.matching(payload) {
                Ok(Some(change)) => going_on = answer.take(seq, change, payload.len()),
                Ok(None) => {}
                Err(fault) => self.note_unreadable(seq, &fault),
            }
            going_on &= answer.has_time();
            going_on
        });
        for damage in scan.damages.listed {
            answer.damages.push(damage);
        }
        answer.end_segment();
        going_on && answer.has_room()
    }
}

struct Answer<'a> {
    query: &'a ChangeQuery,
    text: Option<String>,
    limit: usize,
    until: Option<Instant>,
    looks: u32,
    taken: Vec<(u64, StateChange)>,
    /// Newest first only: the newest matches of the segment being read, oldest in front, with their bytes.
    newest: VecDeque<(u64, StateChange, usize)>,
    bytes: usize,
    complete: bool,
    damages: Damages,
}

impl<'a> Answer<'a> {
    fn new(query: &'a ChangeQuery) -> Self {
        Self {
            query,
            text: query.text.as_ref().map(|text| text.to_lowercase()),
            limit: query.limit.min(LIMIT_MAX),
            until: Instant::now().checked_add(query.deadline),
            looks: 0,
            taken: Vec::new(),
            newest: VecDeque::new(),
            bytes: 0,
            complete: true,
            damages: Damages::default(),
        }
    }

    fn has_time(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        let over =
            self.looks.is_multiple_of(LOOK_EVERY) && self.until.is_some_and(|until| Instant::now() >= until);
        self.complete &= !over;
        !over
    }

    /// Whether older segments can add anything; newest first only, where one segment is read to its end.
    fn has_room(&mut self) -> bool {
        let full =
            self.query.newest_first && (self.taken.len() >= self.limit || self.bytes >= ANSWER_BYTES_MAX);
        self.complete &= !full;
        !full
    }

    fn matching(&self, payload: &[u8]) -> Result<Option<StateChange>, Fault> {
        let (head, json) = record::split(payload).ok_or(Fault::Unknown)?;
        if head.kind != Kind::Change || head.at < self.query.from || head.at >= self.query.to {
            return Ok(None);
        }
        let (uids, attributes) = (&self.query.resource_uids, &self.query.attributes);
        if uids.is_some() || attributes.is_some() {
            let probe: Probe<'_> = serde_json::from_slice(json).map_err(Fault::Bad)?;
            let wanted = |set: &Option<BTreeSet<String>>, value: &str| {
                set.as_ref().is_none_or(|set| set.contains(value))
            };
            if !wanted(uids, &probe.resource.uid) || !wanted(attributes, &probe.attribute) {
                return Ok(None);
            }
        }
        let change = serde_json::from_slice(json).map_err(Fault::Bad)?;
        Ok(self.text.as_ref().is_none_or(|text| mentions(&change, text)).then_some(change))
    }

    /// Takes a match; returns whether to go on within this segment.
    fn take(&mut self, seq: u64, change: StateChange, bytes: usize) -> bool {
        if self.query.newest_first {
            self.newest.push_back((seq, change, bytes));
            self.bytes = self.bytes.saturating_add(bytes);
            let too_many = |answer: &Self| {
                answer.taken.len().saturating_add(answer.newest.len()) > answer.limit
                    || answer.bytes > ANSWER_BYTES_MAX
            };
            while too_many(self)
                && let Some((_, _, bytes)) = self.newest.pop_front()
            {
                self.bytes = self.bytes.saturating_sub(bytes);
                self.complete = false;
            }
            return true;
        }
        if self.taken.len() >= self.limit || self.bytes >= ANSWER_BYTES_MAX {
            self.complete = false;
            return false;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.taken.push((seq, change));
        true
    }

    fn end_segment(&mut self) {
        self.taken.extend(self.newest.drain(..).rev().map(|(seq, change, _)| (seq, change)));
    }
}

/// Just enough of a change to know whose it is, and of what.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    resource: ProbeResource<'a>,
    #[serde(borrow)]
    attribute: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ProbeResource<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
}

/// Whether a lower-case text stands somewhere in the change.
fn mentions(change: &StateChange, text: &str) -> bool {
    let has = |field: &str| field.to_lowercase().contains(text);
    let resource = &change.resource;
    has(&resource.name)
        || has(&resource.uid)
        || resource.workload.as_ref().is_some_and(|workload| has(&workload.to_string()))
        || change.old.as_deref().is_some_and(has)
        || change.reason.as_deref().is_some_and(has)
        || serde_json::to_string(&change.fact).is_ok_and(|fact| has(&fact))
        || change.evidence.as_ref().is_some_and(|evidence| {
            evidence.facts.iter().any(|(name, value)| has(name) || has(value))
                || evidence.log.as_ref().is_some_and(|log| log.lines.iter().any(|line| has(&line.text)))
        })
}
