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
mod own;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hinomi_base::budget::{Budget, Meter};
use hinomi_model::{ErrorKind, Tenant};
use hinomi_series::Labels;
use hinomi_tsdb::{Appended, Batch, Reason, SeriesKey};
use hinomi_wire::remote_write::{self, Request, Secret, Version, unpack};
use tokio::sync::Semaphore;

use super::Metrics;
use crate::Error;
use cache::{Cache, Known};
use gather::{Draw, Gather, Item};

/// Buffers that are kept between requests, at most so many and of this size each.
const SPARE_MAX: usize = 8;
const SPARE_MAX_BYTES: u64 = 8 << 20;
/// Series for which there is room before the first one is read.
const SERIES_EXPECTED_MAX: usize = 4096;
/// Requests that are worked on at once, each on a thread of its own; others wait.
pub const WORKING_MAX: usize = 8;
/// Tenants whose series are remembered; beyond, those of the one that was silent longest are forgotten.
const TENANTS_MAX: usize = 1024;
/// How often it is looked for tenants that fell silent.
const AGE_EVERY: Duration = Duration::from_mins(1);

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
            // Whatever the disk says, also that a folder is gone: the request is right, and is to be sent again.
            Self::Engine(Error::Metrics(hinomi_tsdb::Error::Disk(_))) => ErrorKind::Unavailable,
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

/// Of each tenant what is known of its series, and when it was asked for last.
#[derive(Debug)]
struct Caches {
    by_tenant: BTreeMap<String, (Arc<Mutex<Cache>>, Instant)>,
    aged: Instant,
}

/// What requests share.
#[derive(Debug)]
pub(super) struct Writes {
    secret: Secret,
    budget: Budget,
    caches: Mutex<Caches>,
    spare: Mutex<Vec<Workspace>>,
    own: own::Own,
    /// Of requests that are worked on.
    places: Arc<Semaphore>,
}

/// Draws on the budget for a request, and leaves an eighth to what is stored of containers.
fn meter(budget: &Budget) -> Meter {
    Meter::leaving(budget, budget.limit_bytes() / 8)
}

/// Draws on the budget for what only saves time: as much as new series may take.
fn meter_of_cache(budget: &Budget) -> Meter {
    Meter::leaving(budget, budget.limit_bytes() / 8 * 3)
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writes {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            secret: Secret::new(),
            budget,
            caches: Mutex::new(Caches { by_tenant: BTreeMap::new(), aged: Instant::now() }),
            spare: Mutex::default(),
            own: own::Own::default(),
            places: Arc::new(Semaphore::new(WORKING_MAX)),
        }
    }

    fn cache(&self, tenant: &Tenant) -> Arc<Mutex<Cache>> {
        let mut caches = lock(&self.caches);
        let (caches, now) = (&mut caches.by_tenant, Instant::now());
        if let Some((cache, used)) = caches.get_mut(&tenant.0) {
            *used = now;
            return Arc::clone(cache);
        }
        if caches.len() >= TENANTS_MAX {
            let silent = caches.iter().min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone());
            silent.into_iter().for_each(|name| _ = caches.remove(&name));
        }
        let cache = Arc::new(Mutex::new(Cache::new(&self.budget)));
        caches.insert(tenant.0.clone(), (Arc::clone(&cache), now));
        cache
    }

    /// Lets go of series of tenants that fell silent. Called with every append, whoever sends it; looks once a minute.
    pub(super) fn age(&self, now: Instant) {
        let mut caches = lock(&self.caches);
        if now.saturating_duration_since(caches.aged) < AGE_EVERY {
            return;
        }
        caches.aged = now;
        caches.by_tenant.retain(|_, (cache, _)| {
            // One that is held is asked for, and ages by itself.
            let Ok(mut cache) = cache.try_lock() else { return true };
            cache.begin(now);
            !cache.is_empty()
        });
    }

    fn borrow(&self) -> Workspace {
        let spare = lock(&self.spare).pop();
        spare.unwrap_or_else(|| Workspace {
            raw: Vec::new(),
            batch: Batch::new(),
            meter: meter(&self.budget),
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
        meter(&self.0.budget)
    }

    /// From now on nobody else writes the series that collectors of `host` write here.
    pub(super) fn reserve(&self, host: &str) {
        self.0.writes.own.reserve(host);
        // What is known by its bytes is not looked at again.
        lock(&self.0.writes.caches).by_tenant.clear();
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
        let bytes = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let admit = |symbols| meter.reach(bytes(raw.len()).saturating_add(bytes(symbols)));
        let request = Request::open(version, raw, &self.0.writes.secret, admit)?;
        let cache = self.0.writes.cache(tenant);
        let held = bytes(raw.len()).saturating_add(bytes(request.memory_bytes()));
        let mut answer = Answer::default();
        let limits = Limits { series: self.0.db.series_max(), bytes: self.0.writes.budget.limit_bytes() };
        let mut only: Option<Vec<u32>> = None;
        // Once, and once more for those series that the engine does not know by their references any more.
        for last in [false, true] {
            batch.clear();
            let expected = only.as_ref().map_or(*series, Vec::len);
            let mut gather = Gather::new(version, batch, Draw::new(meter, held), only.as_deref(), expected);
            request.read(&mut gather)?;
            let (items, wrong, draw) = gather.finish();
            if only.is_none() {
                *series = items.len().min(SERIES_EXPECTED_MAX);
            }
            answer.wrong(wrong);
            let reserved = self.0.writes.own.reserved(tenant);
            let named = name(&items, (&cache, reserved), batch, (&mut answer, draw))?;
            if batch.is_empty() {
                break;
            }
            let appended = self.append(tenant, batch)?;
            let again = remember(&items, &named, &appended, &cache);
            answer.take(&appended, (batch, &items), &again, limits);
            let Some(first) = again.first() else { break };
            if last {
                // Somebody else brought the reference back meanwhile.
                let reason = Reason::UnknownSeries.as_str().to_owned();
                answer.refuse(*first, Refused { reason, later: true });
            }
            only = Some(again);
        }
        Ok(answer.written())
    }
}

/// Gives the batch its series: by reference those that are known, by their labels all others.
fn name(
    items: &[Item<'_>],
    (cache, reserved): (&Mutex<Cache>, own::Reserved<'_>),
    batch: &mut Batch,
    (answer, mut draw): (&mut Answer, Draw),
) -> Result<Vec<Option<Known>>, remote_write::Error> {
    let full = remote_write::Error::Full;
    let mut held = lock(cache);
    held.begin(Instant::now());
    let known: Vec<_> = items.iter().map(|item| held.find(item.labels.key()?)).collect();
    drop(held);
    for (item, known) in items.iter().zip(&known) {
        let news = item.metadata.filter(|said| known.is_none_or(|known| known.metadata != said.key));
        let labels = if known.is_some() && news.is_none() {
            None
        } else {
            let labels = item.labels.labels().map_err(|error| error.to_string());
            // What is known was looked at when it came first.
            match labels.and_then(|labels| if known.is_none() { reserved.admit(labels) } else { Ok(labels) })
            {
                Ok(labels) => {
                    if !draw.labels(&labels) {
                        return Err(full);
                    }
                    Some(labels)
                }
                Err(error) => {
                    answer.wrong(Some((item.ordinal, error)));
                    Some(Labels::empty())
                }
            }
        };
        if let Some((labels, said)) = labels.as_ref().zip(news)
            && let Some(metadata) = said.metadata()
        {
            let family = gather::family(labels.name(), said.kind);
            if !draw.family(family, &metadata) {
                return Err(full);
            }
            batch.metadata(family, metadata);
        }
        match (known, labels) {
            (Some(known), _) => batch.series(SeriesKey::Ref(known.reference)),
            (None, labels) => batch.series(SeriesKey::Labels(labels.unwrap_or_default())),
        };
    }
    Ok(known)
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

/// What there may be of series at most.
#[derive(Clone, Copy, Debug)]
struct Limits {
    series: usize,
    bytes: u64,
}

impl Limits {
    /// The one for which a new series was not taken.
    fn reached(self, appended: &Appended) -> Option<String> {
        let Self { series, bytes } = self;
        if appended.rejected_for(Reason::TooManySeries) > 0 {
            return Some(format!("{}, which is {series}", Reason::TooManySeries.as_str()));
        }
        (appended.rejected_for(Reason::NoMemory) > 0)
            .then(|| format!("{}: all of it is {bytes} bytes (memory_max)", Reason::NoMemory.as_str()))
    }
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

    fn take(
        &mut self,
        appended: &Appended,
        (batch, items): (&Batch, &[Item<'_>]),
        again: &[u32],
        limits: Limits,
    ) {
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
        if let Some(reason) = limits.reached(appended) {
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
