//! Opening: lock, recover, replay; then the parts are ready to run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use hinomi_alert::settings::Receiver;
use hinomi_alert::{Judge, Routes, notify};
use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_disk::lock::FolderLock;
use hinomi_model::{Known, KnownContainer, Message, Nanos};
use hinomi_records::{Record, Store};
use hinomi_timeline::{State, Timeline};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::Error;
use crate::backup;
use crate::core::Service;
use crate::deliveries::{self, Deliveries};
use crate::feed::Feed;
use crate::intake::{Intake, intake};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::view::{Collectors, Handle, Logs, Shared};

/// What the pipeline is built from.
#[derive(Debug)]
pub struct Options {
    /// The configuration in force.
    pub settings: Settings,
    /// Time.
    pub clock: Clock,
    /// The one memory budget.
    pub budget: Budget,
    /// Where counters are kept.
    pub counters: Counters,
}

/// What a checkpoint holds besides the number of the last record in it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) judge: hinomi_alert::Snapshot,
    pub(crate) waiting: Vec<Message>,
    /// What became of messages; older checkpoints have none.
    #[serde(default)]
    pub(crate) deliveries: deliveries::Stored,
}

/// What opening found that the running pipeline has to know.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Stored places that can't be read.
    pub(crate) damage: Vec<String>,
    /// Number of the last record in the checkpoint that was used.
    pub(crate) checkpoint_seq: u64,
    /// Newest stored stamp.
    pub(crate) newest_at: Option<Nanos>,
}

/// Outcomes that wait to be stored at most.
const OUTCOMES_MAX: usize = 256;

/// Opens the data folder and rebuilds the state.
///
/// # Errors
///
/// When another process uses the folder, or it can't be written or read.
pub fn open(options: Options) -> Result<(Service, Handle, Intake), Error> {
    let Options { settings, clock, budget, counters } = options;
    let dir: PathBuf = settings.data_dir.clone();
    hinomi_disk::file::create_dir(&hinomi_disk::fs::Real, &dir).map_err(hinomi_records::Error::from)?;
    let lock = FolderLock::acquire(&dir).map_err(hinomi_records::Error::from)?;
    if backup::is_unfinished(&dir) {
        return Err(Error::Unavailable(format!(
            "a restore into {} was broken off while it put things into place; run `hinomi restore` with --force again",
            dir.display()
        )));
    }
    backup::remove_leftovers(&dir);
    let store_options = hinomi_records::Options {
        retention: settings.retention.state,
        disk_max_bytes: settings.retention.records_disk_max_bytes(),
        ..hinomi_records::Options::new(dir.join("records"))
    };
    let (store, recovery) = Store::open(store_options, budget.clone(), &counters, clock.clone())?;
    let metrics = Metrics::open(&settings, clock.clone(), budget.clone())?;
    clock.not_before(recovery.newest_observed_at.map_or(0, |at| at.0));
    let url_base = settings.url_base().unwrap_or_default();
    let mut judge = Judge::new(Routes::new(settings.routes.clone()), url_base);
    let mut owed = BTreeMap::new();
    let mut deliveries = Deliveries::default();
    let from = match recovery.checkpoint.as_ref().map(|(seq, bytes)| (*seq, decode(bytes))) {
        Some((seq, Some(checkpoint))) => {
            judge.restore(checkpoint.judge);
            deliveries.restore(checkpoint.deliveries);
            checkpoint.waiting.iter().for_each(|message| deliveries.queued(message));
            owed.extend(checkpoint.waiting.into_iter().map(|message| (owed_key(&message), message)));
            seq.saturating_add(1)
        }
        Some((_, None)) => {
            tracing::error!("the checkpoint can't be read; all records are folded anew");
            0
        }
        None => 0,
    };
    let damage = replay(&store, from, &mut judge, &mut owed, &mut deliveries);
    let damage = recovery.damage.into_iter().chain(damage).chain(metrics.damage()).collect();
    let checkpoint_seq = from.saturating_sub(1);
    let (outcomes, outcomes_in) = mpsc::channel(OUTCOMES_MAX);
    let (handles, notifiers) = notifiers(&settings.receivers, &outcomes, &clock, &counters);
    let mut outbox = Outbox::new(
        handles.clone(),
        counters.counter("messages_shed_total"),
        counters.counter("messages_without_receiver_total"),
    );
    let mut waiting: Vec<Message> = owed.into_values().collect();
    waiting.sort_by_key(|message| (message.queued_at, message.sequence));
    for message in waiting {
        outbox.queue(message);
    }
    let (intake, changes) = intake(&budget, &counters);
    let (knocks, knocks_in) = mpsc::channel(crate::vitals::KNOCKS_MAX);
    let started_at = Nanos(clock.now());
    let shared = Arc::new(Shared {
        judge: RwLock::new(judge),
        feed: Feed::new(budget.clone(), started_at),
        logs: Logs::default(),
        outbox_waiting: RwLock::new(BTreeMap::new()),
        deliveries: RwLock::new(deliveries),
        store: Arc::new(store),
        knocks,
        metrics,
        backup: backup::Turn::default(),
        receivers: handles,
        collectors: Collectors::default(),
        docker_disk: Mutex::default(),
        clock,
        budget,
        counters,
        started_at,
        settings,
    });
    let found = Found { damage, checkpoint_seq, newest_at: recovery.newest_observed_at };
    let service =
        Service::new(Arc::clone(&shared), (changes, knocks_in), outcomes_in, outbox, notifiers, lock, found);
    Ok((service, Handle::new(shared), intake))
}

fn decode(bytes: &[u8]) -> Option<Checkpoint> {
    serde_json::from_slice(bytes).map_err(|error| tracing::error!(%error, "checkpoint")).ok()
}

type OwedKey = (String, String, u32);

fn owed_key(message: &Message) -> OwedKey {
    (message.receiver.clone(), message.incident.clone(), message.sequence)
}

fn replay(
    store: &Store,
    from: u64,
    judge: &mut Judge,
    owed: &mut BTreeMap<OwedKey, Message>,
    deliveries: &mut Deliveries,
) -> Vec<String> {
    let replayed = store.replay(from, &mut |_, record| match record {
        Record::Change(change) => judge.replay_change(&change),
        Record::Incident(incident) => judge.replay_incident(*incident),
        Record::Queued(message) => {
            deliveries.queued(&message);
            owed.insert(owed_key(&message), message);
        }
        Record::Delivered(done) => {
            deliveries.done(&done);
            owed.remove(&(done.receiver, done.incident, done.sequence));
        }
        Record::Alive(alive) => judge.note_alive(alive.at),
    });
    let damage = replayed.damages.listed.iter().map(ToString::to_string).collect();
    if replayed.unknown > 0 {
        tracing::error!(
            records = replayed.unknown,
            "records of a newer version were left out; use that version"
        );
    }
    damage
}

fn notifiers(
    receivers: &[Receiver],
    outcomes: &mpsc::Sender<notify::Outcome>,
    clock: &Clock,
    counters: &Counters,
) -> (BTreeMap<String, notify::Handle>, Vec<notify::Service>) {
    let mut handles = BTreeMap::new();
    let mut services = Vec::new();
    let clients = notify::Clients::new();
    for receiver in receivers {
        let options = notify::Options::new(receiver.clone());
        let (service, handle) =
            options.build(Arc::clone(&clients), clock.clone(), counters, outcomes.clone());
        handles.insert(receiver.name.clone(), handle);
        services.push(service);
    }
    (handles, services)
}

/// What a collector has to know to tell what changed while nobody looked.
pub(crate) fn known(timeline: &Timeline, cluster: &str, last_observed_at: Option<Nanos>) -> Known {
    let state = timeline.runtimes.get(cluster).and_then(|runtime| runtime.state.clone());
    let alive =
        timeline.tracks.values().filter(|track| track.id.cluster == cluster && track.state != State::Gone);
    let containers = alive.map(|track| {
        let known = KnownContainer {
            resource: Arc::clone(&track.id),
            phase: track.state.word().to_owned(),
            started_at: track.started_at,
            health: track.health.as_ref().map(|health| health.status),
        };
        (track.id.uid.clone(), known)
    });
    Known {
        last_observed_at,
        boot_id: state.as_ref().map(|state| state.boot_id.clone()).unwrap_or_default(),
        daemon_pid: state.as_ref().map_or(0, |state| state.daemon_pid),
        containers: containers.collect(),
    }
}

/// How often retention, checkpoint and the sign of life are seen to.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_secs(60);
