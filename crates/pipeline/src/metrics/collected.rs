//! Numbers of collectors: round by round into the engine, as Prometheus' scrape would write them.
//!
//! # Invariants
//!
//! - A round is one append. A series is named by its labels once, and by the engine's reference from then on.
//! - A series that was in a target's last round and is not in this one ends with a stale marker. At Hinomi's own end
//!   nothing is marked, as Prometheus does.
//! - Of each target there are `up`, `scrape_duration_seconds`, `scrape_samples_scraped`,
//!   `scrape_samples_post_metric_relabeling` and `scrape_series_added`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hinomi_base::budget::{Budget, Share};
use hinomi_base::counters::{Counter, Counters};
use hinomi_model::Tenant;
use hinomi_model::metrics::{Metadata, MetadataKind};
use hinomi_series::{Labels, METRIC_NAME, stale_nan};
use hinomi_tsdb::{Appended, Batch, SeriesKey, SeriesRef};
use hinomi_wire::{Families, Family, Kind};

use super::Metrics;
use crate::Handle;

/// Most series that are remembered of a target; what is beyond them is left out and counted.
const SERIES_MAX: usize = 1_000_000;
/// What a remembered series takes, beside its labels, which the collector holds as well.
const SERIES_BYTES: u64 = 96;
/// By how many series the share of the memory budget grows.
const SHARE_STEP: usize = 4096;

/// What a target's numbers of one round are like.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// The numbers.
    pub families: &'a Families,
    /// The target could be read.
    pub up: bool,
    /// How long reading took.
    pub took: Duration,
}

/// What is remembered of a series.
#[derive(Debug)]
struct Kept {
    reference: Option<SeriesRef>,
    /// Number of the last round that had it.
    round: u64,
}

/// Labels of what is written about a target.
#[derive(Debug)]
struct About {
    up: Labels,
    took: Labels,
    scraped: Labels,
    kept: Labels,
    added: Labels,
}

/// What is remembered of a target.
#[derive(Debug)]
struct Target {
    job: &'static str,
    about: About,
    known: HashMap<Labels, Kept>,
    /// Families whose kind and help the engine knows.
    described: HashSet<Box<str>>,
    /// Drawn for `known`.
    shares: Vec<Share>,
}

/// A sample of the round; the first number says whose.
type Line = (usize, Labels, f64);

/// Takes rounds. Blocks.
#[derive(Debug)]
pub struct Collected {
    metrics: Metrics,
    budget: Budget,
    instance: String,
    targets: Vec<Target>,
    round: u64,
    at_ms: i64,
    batch: Batch,
    lines: Vec<Line>,
    tally: Tally,
    /// Why the last round was not taken; said once.
    complaint: Option<String>,
}

/// What `hinomi status` counts of it.
#[derive(Debug)]
struct Tally {
    samples: Counter,
    rejected: Counter,
    shed: Counter,
    refused: Counter,
}

impl Tally {
    fn new(counters: &Counters) -> Self {
        Self {
            samples: counters.counter("metrics_collected_samples_total"),
            rejected: counters.counter("metrics_collected_rejected_total"),
            shed: counters.counter("metrics_collected_shed_total"),
            refused: counters.counter("metrics_rounds_dropped_total"),
        }
    }
}

impl Collected {
    /// For the targets of this host; `instance` is the label of that name. From then on nobody else writes their
    /// series.
    #[must_use]
    pub fn new(handle: &Handle, instance: &str) -> Self {
        let shared = handle.shared();
        handle.metrics().reserve(instance);
        Self::with(handle.metrics().clone(), shared.budget.clone(), &shared.counters, instance)
    }

    fn with(metrics: Metrics, budget: Budget, counters: &Counters, instance: &str) -> Self {
        Self {
            metrics,
            budget,
            instance: instance.to_owned(),
            targets: Vec::new(),
            round: 0,
            at_ms: 0,
            batch: Batch::new(),
            lines: Vec::new(),
            tally: Tally::new(counters),
            complaint: None,
        }
    }

    /// Begins a round: all of its samples are of `at_ms`, milliseconds since the epoch.
    pub fn begin(&mut self, at_ms: i64) {
        self.round += 1;
        self.at_ms = at_ms;
        self.batch.clear();
        self.lines.clear();
    }

    /// Adds what a target said, under the label `job` that its samples have.
    pub fn take(&mut self, job: &'static str, scrape: &Scrape<'_>) {
        let at = self.targets.iter().position(|target| target.job == job).unwrap_or_else(|| {
            self.targets.push(Target::new(job, &self.instance));
            self.targets.len().saturating_sub(1)
        });
        let Some(target) = self.targets.get_mut(at) else { return };
        target.describe(scrape.families, &mut self.batch);
        let (mut scraped, mut added, mut shed) = (0_u32, 0_u32, 0);
        for sample in scrape.families.iter().flat_map(|family| &family.samples) {
            scraped += 1;
            let reference = match target.meet(&sample.labels, self.round, &self.budget) {
                Met::Known(reference) => reference,
                Met::New => {
                    added += 1;
                    None
                }
                Met::NoRoom => {
                    shed += 1;
                    continue;
                }
            };
            push(&mut self.batch, reference, &sample.labels, self.at_ms, sample.value);
            self.lines.push((at, sample.labels.clone(), sample.value));
        }
        let gone = target.known.iter().filter(|(_, kept)| kept.round != self.round && !kept.is_about());
        for (labels, kept) in gone {
            push(&mut self.batch, kept.reference, labels, self.at_ms, stale_nan());
            self.lines.push((at, labels.clone(), stale_nan()));
        }
        let about = [
            (&target.about.up, if scrape.up { 1.0 } else { 0.0 }),
            (&target.about.took, scrape.took.as_secs_f64()),
            (&target.about.scraped, f64::from(scraped)),
            (&target.about.kept, f64::from(scraped)),
            (&target.about.added, f64::from(added)),
        ];
        for (labels, value) in about {
            let kept =
                target.known.entry(labels.clone()).or_insert(Kept { reference: None, round: u64::MAX });
            push(&mut self.batch, kept.reference, labels, self.at_ms, value);
            self.lines.push((at, labels.clone(), value));
        }
        self.tally.shed.add(shed);
    }

    /// Appends the round.
    pub fn finish(&mut self) {
        let appended = match self.append() {
            Ok(appended) => appended,
            Err(error) => return self.complain(&error),
        };
        self.complaint = None;
        let (round, complete) = (self.round, self.lines.len() == appended.refs.len());
        for ((at, labels, _), reference) in self.lines.drain(..).zip(appended.refs) {
            let known = self.targets.get_mut(at).map(|target| &mut target.known);
            if let Some(kept) = known.and_then(|known| known.get_mut(&labels)) {
                kept.reference = reference;
            }
        }
        if complete {
            // Those that are gone are marked, so they can be forgotten.
            self.targets.iter_mut().for_each(|target| target.forget(round));
        }
        self.tally.samples.add(appended.accepted);
        self.tally.rejected.add(appended.rejected.iter().map(|(_, count)| count).sum());
    }

    /// By reference, and once more by labels if the engine has put a series away since.
    fn append(&mut self) -> Result<Appended, crate::Error> {
        let tenant = Tenant::default();
        let mut first = self.metrics.append(&tenant, &self.batch)?;
        let unknown = hinomi_tsdb::Reason::UnknownSeries;
        if first.rejected_for(unknown) == 0 {
            return Ok(first);
        }
        self.batch.clear();
        let mut again = Vec::new();
        for (at, ((_, labels, value), reference)) in self.lines.iter().zip(&first.refs).enumerate() {
            if reference.is_none() {
                push(&mut self.batch, None, labels, self.at_ms, *value);
                again.push(at);
            }
        }
        let second = self.metrics.append(&tenant, &self.batch)?;
        for (at, reference) in again.into_iter().zip(second.refs) {
            if let Some(slot) = first.refs.get_mut(at) {
                *slot = reference;
            }
        }
        first.accepted = first.accepted.saturating_add(second.accepted);
        // Also what was rejected otherwise was tried again, and is counted there.
        first.rejected = second.rejected;
        Ok(first)
    }

    fn complain(&mut self, error: &crate::Error) {
        self.tally.refused.add(1);
        self.targets.iter_mut().for_each(|target| target.described.clear());
        let text = error.to_string();
        if self.complaint.as_ref() != Some(&text) {
            tracing::warn!(error = text, "the numbers of this round are not stored");
            self.complaint = Some(text);
        }
    }
}

fn push(batch: &mut Batch, reference: Option<SeriesRef>, labels: &Labels, at_ms: i64, value: f64) {
    let key = reference.map_or_else(|| SeriesKey::Labels(labels.clone()), SeriesKey::Ref);
    batch.push(key, at_ms, value);
}

/// What is known of a series that a round has.
enum Met {
    Known(Option<SeriesRef>),
    New,
    NoRoom,
}

fn metadata(family: &Family) -> Metadata {
    let kind = match family.kind {
        Kind::Counter => MetadataKind::Counter,
        Kind::Gauge => MetadataKind::Gauge,
        Kind::Histogram => MetadataKind::Histogram,
        Kind::Summary => MetadataKind::Summary,
        Kind::Info => MetadataKind::Info,
        Kind::Unknown => MetadataKind::Unknown,
    };
    Metadata { kind, help: (&*family.help).into(), unit: family.unit.unwrap_or_default().into() }
}

impl Kept {
    /// It is about the target, so it is there each round.
    fn is_about(&self) -> bool {
        self.round == u64::MAX
    }
}

impl Target {
    fn new(job: &'static str, instance: &str) -> Self {
        let labels = |name| Labels::from_pairs([(METRIC_NAME, name), ("job", job), ("instance", instance)]);
        let about = About {
            up: labels("up"),
            took: labels("scrape_duration_seconds"),
            scraped: labels("scrape_samples_scraped"),
            kept: labels("scrape_samples_post_metric_relabeling"),
            added: labels("scrape_series_added"),
        };
        Self { job, about, known: HashMap::new(), described: HashSet::new(), shares: Vec::new() }
    }

    /// Tells the engine what new families are.
    fn describe(&mut self, families: &Families, batch: &mut Batch) {
        for family in families.iter() {
            if !self.described.contains(&family.name) {
                batch.metadata(&family.name, metadata(family));
                self.described.insert(family.name.clone());
            }
        }
    }

    /// A series is in this round.
    fn meet(&mut self, labels: &Labels, round: u64, budget: &Budget) -> Met {
        if let Some(kept) = self.known.get_mut(labels) {
            kept.round = round;
            return Met::Known(kept.reference);
        }
        if !self.has_room(budget) {
            return Met::NoRoom;
        }
        self.known.insert(labels.clone(), Kept { reference: None, round });
        Met::New
    }

    /// Whether one more series may be remembered.
    fn has_room(&mut self, budget: &Budget) -> bool {
        if self.known.len() < self.shares.len() * SHARE_STEP {
            return true;
        }
        let bytes = SERIES_BYTES * u64::try_from(SHARE_STEP).unwrap_or(u64::MAX);
        let share = if self.known.len() < SERIES_MAX { budget.take(bytes) } else { None };
        share.map(|share| self.shares.push(share)).is_some()
    }

    fn forget(&mut self, round: u64) {
        self.known.retain(|_, kept| kept.round == round || kept.is_about());
        self.shares.truncate(self.known.len().div_ceil(SHARE_STEP).max(1));
    }
}

#[cfg(test)]
#[path = "collected_tests.rs"]
mod tests;
