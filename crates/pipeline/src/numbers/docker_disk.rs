//! What images, containers and volumes of Docker take on the disk: evidence of a filesystem that fills.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use hinomi_alert::numbers::Check;
use hinomi_model::{Nanos, Tenant};
use hinomi_series::{Labels, METRIC_NAME};
use hinomi_timeline::{bytes_words, duration_words};
use hinomi_tsdb::{Batch, SeriesKey};

use crate::view::Shared;
use crate::{Error, Handle};

/// Asked again after this time.
const EVERY: Duration = Duration::from_hours(1);
/// While a filesystem is rather full: sooner.
const EVERY_WHILE_FULL: Duration = Duration::from_mins(10);
/// From this share on a filesystem is rather full.
const RATHER_FULL: f64 = 0.8;
/// What is older is no evidence of now.
const SHOWN: Duration = Duration::from_hours(3);
/// Kinds that are kept at most.
const KINDS_MAX: usize = 16;

/// How much of the disk one kind of things takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerDiskUse {
    /// `images`, `containers`, `volumes`, `build_cache`.
    pub kind: &'static str,
    /// All of them, bytes.
    pub bytes: u64,
    /// Of these, what nothing uses, bytes.
    pub unused_bytes: u64,
}

/// What Docker said last, and when it is to be asked again.
#[derive(Debug, Default)]
pub(crate) struct DockerDisk {
    asked_at: Option<Nanos>,
    told_at: Option<Nanos>,
    uses: Vec<DockerDiskUse>,
    root: PathBuf,
    rather_full: bool,
}

impl Handle {
    /// Whether Docker is to be asked what it takes on the disk: once an hour, every ten minutes while a filesystem is
    /// more than 80 % full. Whoever is told so asks, and is not told again before the time is over.
    #[must_use]
    pub fn docker_disk_is_due(&self) -> bool {
        let now = self.now();
        let mut disk = self.shared().docker_disk.lock().unwrap_or_else(PoisonError::into_inner);
        let every = if disk.rather_full { EVERY_WHILE_FULL } else { EVERY };
        let due = disk.asked_at.is_none_or(|at| now.since(at) >= every);
        if due {
            disk.asked_at = Some(now);
        }
        due
    }

    /// Takes what Docker says, and where it keeps it. Blocks: the numbers go to the metrics engine as
    /// `hinomi_docker_disk_bytes` and `hinomi_docker_disk_unused_bytes`.
    ///
    /// # Errors
    ///
    /// The engine does not take them; they are evidence all the same.
    pub fn note_docker_disk(&self, uses: &[DockerDiskUse], root: PathBuf) -> Result<(), Error> {
        let now = self.now();
        {
            let mut disk = self.shared().docker_disk.lock().unwrap_or_else(PoisonError::into_inner);
            disk.uses = uses.iter().take(KINDS_MAX).cloned().collect();
            (disk.told_at, disk.root) = (Some(now), root);
        }
        let mut batch = Batch::new();
        let host = self.settings().host.name.as_str();
        for one in uses.iter().take(KINDS_MAX) {
            for (name, bytes) in [
                ("hinomi_docker_disk_bytes", one.bytes),
                ("hinomi_docker_disk_unused_bytes", one.unused_bytes),
            ] {
                let labels = [
                    (METRIC_NAME, name),
                    ("job", crate::JOB),
                    ("instance", host),
                    ("host", host),
                    ("kind", one.kind),
                ];
                let key = SeriesKey::Labels(Labels::from_pairs(labels));
                batch.push(key, now.0.div_euclid(1_000_000), bytes as f64);
            }
        }
        self.metrics().append(&Tenant::default(), &batch).map(drop)
    }
}

/// Facts for the filesystem on which Docker keeps its things.
pub(super) fn facts(shared: &Shared, mount_point: &str) -> Vec<(String, String)> {
    let now = Nanos(shared.clock.now());
    let disk = shared.docker_disk.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(told_at) = disk.told_at.filter(|at| now.since(*at) <= SHOWN) else { return Vec::new() };
    if !disk.root.starts_with(mount_point) {
        return Vec::new();
    }
    let label = |kind: &str| match kind {
        "images" => "Docker images",
        "containers" => "Docker containers",
        "volumes" => "Docker volumes",
        _ => "Docker build cache",
    };
    let uses = disk.uses.iter().map(|one| {
        let value = format!("{}, of it unused {}", bytes_words(one.bytes), bytes_words(one.unused_bytes));
        (label(one.kind).to_owned(), value)
    });
    let asked = ("Docker asked".to_owned(), format!("{} ago", duration_words(now.since(told_at))));
    uses.chain([asked]).collect()
}

/// Whether any filesystem is rather full, as of a round.
pub(crate) fn note_round(shared: &Shared, round: &hinomi_alert::numbers::Round) {
    let mut filesystems =
        round.readings.iter().filter(|reading| reading.check == Check::Filesystem).peekable();
    if filesystems.peek().is_some() {
        let full = filesystems.any(|reading| reading.share() >= RATHER_FULL);
        shared.docker_disk.lock().unwrap_or_else(PoisonError::into_inner).rather_full = full;
    }
}
