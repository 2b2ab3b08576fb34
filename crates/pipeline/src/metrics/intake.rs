//! Remote write: the bytes of a request into the engine.
//!
//! # Invariants
//!
//! - A request that cannot be read as a whole changes nothing. Of one that can be read, everything is stored that may
//!   be, in one append; the first thing that may not is what the sender is told.
//! - What is reported as written is as durable as `metrics.durability` says.
//! - Labels are decoded for series that were not seen lately; for others their encoded bytes lead to the engine's
//!   reference ([`cache`]). A reference that the engine no longer knows is named by its labels again.
//! - Memory for a request is drawn from the budget before it is used, and so is the cache.

mod cache;
mod gather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_base::budget::{Budget, Meter};
use hinomi_model::{ErrorKind, Tenant};
use hinomi_series::Labels;
use hinomi_tsdb::{Appended, Batch, Reason, SeriesKey};
use hinomi_wire::remote_write::{self, Request, Secret, Version, unpack};
use tokio::sync::Semaphore;

use super::Metrics;
use crate::Error;
use cache::{Cache, Known};
use gather::{Gather, Item};

/// Buffers that are kept between requests, at most so many and of this size each.
const SPARE_MAX: usize = 8;
const SPARE_MAX_BYTES: u64 = 8 << 20;
/// Series for which there is room before the first one is read.
const SERIES_EXPECTED_MAX: usize = 4096;
/// Requests that are worked on at once; others wait.
const WORKING_MAX: usize = 8;
/// Tenants whose series are remembered; beyond, all are forgotten.
const TENANTS_MAX: usize = 1024;

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Numbers that are stored now.
    pub floats: u64,
    /// Native histograms that are stored now.
    pub histograms: u64,
    /// Exemplars that are kept now.
    pub exemplars: u64,
    /// The first thing that was not stored, if there is one.
    pub refused: Option<Refused>,
}

/// Why a part of a request was not stored; the words are those of Prometheus where it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In words.
    pub reason: String,
    /// It may be taken later: a limit was reached.
    pub later: bool,
}

/// Why nothing of a request is known to be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritten {
    /// It cannot be read.
    #[error(transparent)]
    Request(#[from] remote_write::Error),
    /// The engine did not take it.
    #[error(transparent)]
    Engine(#[from] Error),
    /// A thread ended before its work did.
    #[error("the request was given up: {0}; this is a bug in Hinomi, and its log says more")]
    Died(String),
}

impl Unwritten {
    /// What the sender can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Request(remote_write::Error::Full) => ErrorKind::Limited,
            Self::Request(_) => ErrorKind::Invalid,
            Self::Engine(error) => error.kind(),
            Self::Died(_) => ErrorKind::Internal,
        }
    }
}

/// Memory of a request, used again.
#[derive(Debug)]
struct Workspace {
    raw: Vec<u8>,
    batch: Batch,
    meter: Meter,
    /// Series of the last request: the next one has about as many.
    series: usize,
}

/// What requests share.
#[derive(Debug)]
pub(super) struct Writes {
    secret: Secret,
    budget: Budget,
    caches: Mutex<BTreeMap<String, Arc<Mutex<Cache>>>>,
    spare: Mutex<Vec<Workspace>>,
    /// Of requests that are worked on.
    places: Arc<Semaphore>,
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writes {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            secret: Secret::new(),
            budget,
            caches: Mutex::default(),
            spare: Mutex::default(),
            places: Arc::new(Semaphore::new(WORKING_MAX)),
        }
    }

    fn cache(&self, tenant: &Tenant) -> Arc<Mutex<Cache>> {
        let mut caches = lock(&self.caches);
        if let Some(cache) = caches.get(&tenant.0) {
            return Arc::clone(cache);
        }
        if caches.len() >= TENANTS_MAX {
            caches.clear();
        }
        let cache = Arc::new(Mutex::new(Cache::new(&self.budget)));
        caches.insert(tenant.0.clone(), Arc::clone(&cache));
        cache
    }

    fn borrow(&self) -> Workspace {
        let spare = lock(&self.spare).pop();
        spare.unwrap_or_else(|| Workspace {
            raw: Vec::new(),
            batch: Batch::new(),
            meter: Meter::leaving(&self.budget, 0),
            series: 0,
        })
    }

    fn give_back(&self, mut workspace: Workspace) {
        workspace.batch.clear();
        let mut spare = lock(&self.spare);
        if workspace.meter.taken_bytes() <= SPARE_MAX_BYTES && spare.len() < SPARE_MAX {
            spare.push(workspace);
        }
    }
}

impl Metrics {
    /// What memory for a request's bytes is drawn by.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter::leaving(&self.0.budget, 0)
    }

    /// Stores a remote-write request of a tenant, as it came: compressed with Snappy. Once it has begun it goes on to the
    /// end, whoever waits for it; so long `held` lives.
    ///
    /// # Errors
    ///
    /// [`Unwritten`]; sending the same again is always right, but of no use for one that cannot be read.
    pub async fn write(
        &self,
        tenant: Tenant,
        version: Version,
        packed: Vec<u8>,
        held: impl Send + 'static,
    ) -> Result<Written, Unwritten> {
        let metrics = self.clone();
        let place = Arc::clone(&self.0.writes.places).acquire_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let _held = (held, place);
            metrics.write_now(&tenant, version, &packed)
        });
        work.await.unwrap_or_else(|error| Err(Unwritten::Died(error.to_string())))
    }

    fn write_now(&self, tenant: &Tenant, version: Version, packed: &[u8]) -> Result<Written, Unwritten> {
        let mut workspace = self.0.writes.borrow();
        let written = self.write_in(&mut workspace, tenant, version, packed);
        self.0.writes.give_back(workspace);
        written
    }

    fn write_in(
        &self,
        Workspace { raw, batch, meter, series }: &mut Workspace,
        tenant: &Tenant,
        version: Version,
        packed: &[u8],
    ) -> Result<Written, Unwritten> {
        let admit = |len: usize| meter.reach(u64::try_from(len).unwrap_or(u64::MAX));
        let raw = unpack(packed, raw, admit)?;
        let request = Request::open(version, raw, &self.0.writes.secret)?;
        let cache = self.0.writes.cache(tenant);
        let held = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        let mut answer = Answer::default();
        let mut only: Option<Vec<u32>> = None;
        // Once, and once more for those series that the engine does not know by their references any more.
        for _ in 0..2 {
            batch.clear();
            let expected = only.as_ref().map_or(*series, Vec::len);
            let mut gather = Gather::new(version, batch, (meter, held), only.as_deref(), expected);
            request.read(&mut gather)?;
            let (items, wrong) = gather.finish();
            if only.is_none() {
                *series = items.len().min(SERIES_EXPECTED_MAX);
            }
            answer.wrong(wrong);
            let named = name(&items, &cache, batch, &mut answer);
            if batch.is_empty() {
                break;
            }
            let appended = self.append(tenant, batch)?;
            let again = remember(&items, &named, &appended, &cache);
            answer.take(&appended, batch, &items, &again);
            if again.is_empty() {
                break;
            }
            only = Some(again);
        }
        Ok(answer.written())
    }
}

/// Gives the batch its series: by reference those that are known, by their labels all others.
fn name(
    items: &[Item<'_>],
    cache: &Mutex<Cache>,
    batch: &mut Batch,
    answer: &mut Answer,
) -> Vec<Option<Known>> {
    let mut held = lock(cache);
    held.begin();
    let known: Vec<_> = items.iter().map(|item| held.find(item.labels.key()?)).collect();
    drop(held);
    for (item, known) in items.iter().zip(&known) {
        let news = item.metadata.filter(|said| known.is_none_or(|known| known.metadata != said.key));
        let labels = if known.is_some() && news.is_none() {
            None
        } else {
            match item.labels.labels() {
                Ok(labels) => Some(labels),
                Err(error) => {
                    answer.wrong(Some((item.ordinal, error.to_string())));
                    Some(Labels::empty())
                }
            }
        };
        if let (Some(labels), Some(said)) = (&labels, news) {
            batch.metadata(gather::family(labels.name(), said.kind), said.metadata());
        }
        match (known, labels) {
            (Some(known), _) => batch.series(SeriesKey::Ref(known.reference)),
            (None, labels) => batch.series(SeriesKey::Labels(labels.unwrap_or_default())),
        };
    }
    known
}

/// Remembers what the engine says of its series. Returns those that it does not know any more.
fn remember(
    items: &[Item<'_>],
    named: &[Option<Known>],
    appended: &Appended,
    cache: &Mutex<Cache>,
) -> Vec<u32> {
    let mut again = Vec::new();
    let mut cache = lock(cache);
    for ((item, known), reference) in items.iter().zip(named).zip(&appended.refs) {
        let metadata = item.metadata.map(|said| said.key);
        match (known, reference) {
            (Some(known), Some(_)) if metadata.is_none_or(|key| key == known.metadata) => {}
            (_, Some(reference)) => {
                let metadata = metadata.or(known.map(|known| known.metadata)).unwrap_or_default();
                if let Some(key) = item.labels.key() {
                    cache.insert(key, Known { reference: *reference, metadata });
                }
            }
            (Some(_), None) => {
                item.labels.key().into_iter().for_each(|key| cache.forget(key));
                again.push(item.ordinal);
            }
            (None, None) => {}
        }
    }
    again
}

/// What is answered, put together from one or two appends.
#[derive(Debug, Default)]
struct Answer {
    written: Written,
    /// By the place of its series in the request.
    first: Option<(u32, Refused)>,
}

impl Answer {
    fn refuse(&mut self, ordinal: u32, refused: Refused) {
        let earlier = match &self.first {
            // What may be taken later is worth a second try, whatever else is wrong.
            Some((_, known)) if known.later != refused.later => refused.later,
            Some((at, _)) => ordinal < *at,
            None => true,
        };
        if earlier {
            self.first = Some((ordinal, refused));
        }
    }

    fn wrong(&mut self, wrong: Option<(u32, String)>) {
        if let Some((ordinal, reason)) = wrong {
            self.refuse(ordinal, Refused { reason, later: false });
        }
    }

    fn take(&mut self, appended: &Appended, batch: &Batch, items: &[Item<'_>], again: &[u32]) {
        let written = &mut self.written;
        written.histograms += appended.histograms;
        written.floats += appended.accepted.saturating_sub(appended.histograms);
        written.exemplars += appended.exemplars;
        let known = |(at, _): &(usize, Reason)| batch.series_of(*at).and_then(|series| items.get(series));
        if let Some((first, item)) = appended.first_rejected.and_then(|first| Some((first, known(&first)?)))
            && !again.contains(&item.ordinal)
        {
            let reason = gather::reason(first.1, item);
            self.refuse(item.ordinal, Refused { reason, later: false });
        }
        if appended.rejected_for(Reason::TooManySeries) > 0 {
            let reason = Reason::TooManySeries.as_str().to_owned();
            self.refuse(0, Refused { reason, later: true });
        }
    }

    fn written(self) -> Written {
        Written { refused: self.first.map(|(_, refused)| refused), ..self.written }
    }
}

#[cfg(test)]
#[path = "intake/intake_tests.rs"]
mod tests;
