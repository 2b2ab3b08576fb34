//! The keys under `metrics`: what is collected, how it is kept, and how much a question may take.

use std::path::PathBuf;
use std::time::Duration;

use hinomi_config::emit::Emitter;
use hinomi_config::{Value, decode};

/// Longest retention and window: for data of the past.
const CENTURY: Duration = Duration::from_secs(36_500 * 86_400);
/// Most samples that may be written as a limit.
const SAMPLES_LIMIT: i64 = 10_000_000_000;

/// What `Ok` from a write means; as the engine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk.
    Fsync,
    /// With the operating system, on the disk about a second later.
    Interval,
    /// With the operating system.
    None,
}

/// Words for it, as they are written.
const DURABILITY: [(&str, Durability); 3] =
    [("fsync", Durability::Fsync), ("interval", Durability::Interval), ("none", Durability::None)];

/// Numbers of the host and its containers, and the engine that keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Time between two rounds of the collectors.
    pub interval: Duration,
    /// What an acknowledged sample is worth.
    pub durability: Durability,
    /// How far behind the newest a sample may be. Zero: not at all.
    pub out_of_order_window: Duration,
    /// Let queries use what Prometheus calls experimental.
    pub promql_experimental: bool,
    /// Let callers delete series and write snapshots.
    pub admin_api: bool,
    /// Where the host's procfs, sysfs and cgroups are mounted.
    pub procfs: PathBuf,
    /// See [`Self::procfs`].
    pub sysfs: PathBuf,
    /// See [`Self::procfs`].
    pub cgroupfs: PathBuf,
    /// How much a question may take.
    pub query: Query,
}

/// How much a question may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// How long it may take.
    pub timeout: Duration,
    /// Most samples that it may hold at once.
    pub samples_max: usize,
    /// Most series that one selector may read.
    pub series_max: usize,
    /// How many are answered at the same time.
    pub concurrent: usize,
    /// How long a sample counts for the steps behind it.
    pub lookback: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            durability: Durability::Fsync,
            out_of_order_window: Duration::from_mins(30),
            promql_experimental: false,
            admin_api: false,
            procfs: PathBuf::from("/proc"),
            sysfs: PathBuf::from("/sys"),
            cgroupfs: PathBuf::from("/sys/fs/cgroup"),
            query: Query::default(),
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(2),
            samples_max: 50_000_000,
            series_max: 500_000,
            concurrent: 8,
            lookback: Duration::from_mins(5),
        }
    }
}

/// What the command line says about metrics.
#[derive(Clone, Debug, Default)]
pub struct GivenMetrics {
    /// `--metrics-retention`.
    pub retention: Option<Duration>,
    /// `--out-of-order-window`.
    pub out_of_order_window: Option<Duration>,
    /// `--promql-experimental`.
    pub promql_experimental: bool,
    /// `--enable-admin-api`.
    pub admin_api: bool,
    /// `--procfs`.
    pub procfs: Option<PathBuf>,
    /// `--sysfs`.
    pub sysfs: Option<PathBuf>,
    /// `--cgroupfs`.
    pub cgroupfs: Option<PathBuf>,
}

impl GivenMetrics {
    /// Puts what was said in the place of what the file says.
    pub(super) fn apply(&self, metrics: &mut Metrics) {
        metrics.out_of_order_window = self.out_of_order_window.unwrap_or(metrics.out_of_order_window);
        metrics.promql_experimental |= self.promql_experimental;
        metrics.admin_api |= self.admin_api;
        for (given, path) in [
            (&self.procfs, &mut metrics.procfs),
            (&self.sysfs, &mut metrics.sysfs),
            (&self.cgroupfs, &mut metrics.cgroupfs),
        ] {
            if let Some(given) = given {
                path.clone_from(given);
            }
        }
    }
}

/// `retention.metrics`.
pub(super) fn retention(value: &Value<'_>) -> Option<Duration> {
    decode::duration_within(Duration::from_hours(1)..=CENTURY)(value)
}

/// The keys under `metrics`.
pub(super) fn take(value: &Value<'_>) -> Option<Metrics> {
    let mut map = value.map()?;
    let default = Metrics::default();
    let second = Duration::from_secs(1);
    let metrics = Metrics {
        interval: map
            .take("interval", decode::duration_within(second..=Duration::from_mins(5)))
            .unwrap_or(default.interval),
        durability: map.take("durability", decode::one_of(&DURABILITY)).unwrap_or(default.durability),
        out_of_order_window: map.take("out_of_order_window", window).unwrap_or(default.out_of_order_window),
        promql_experimental: map.take("promql_experimental", decode::boolean).unwrap_or_default(),
        admin_api: map.take("admin_api", decode::boolean).unwrap_or_default(),
        procfs: map.take("procfs", decode::absolute_path).unwrap_or(default.procfs),
        sysfs: map.take("sysfs", decode::absolute_path).unwrap_or(default.sysfs),
        cgroupfs: map.take("cgroupfs", decode::absolute_path).unwrap_or(default.cgroupfs),
        query: map.take("query", query).unwrap_or_default(),
    };
    map.finish();
    Some(metrics)
}

/// A duration or `0s`.
fn window(value: &Value<'_>) -> Option<Duration> {
    if matches!(value.scalar(), Some(("0" | "0s", _))) {
        return Some(Duration::ZERO);
    }
    decode::duration_within(Duration::from_secs(1)..=CENTURY)(value)
}

fn query(value: &Value<'_>) -> Option<Query> {
    let mut map = value.map()?;
    let default = Query::default();
    let timeout = decode::duration_within(Duration::from_millis(100)..=Duration::from_mins(10));
    let lookback = decode::duration_within(Duration::from_secs(1)..=Duration::from_hours(24));
    let mut limit = |key, most, default| {
        let number = map.take(key, decode::integer(1..=most)).and_then(|number| usize::try_from(number).ok());
        number.unwrap_or(default)
    };
    let samples_max = limit("samples_max", SAMPLES_LIMIT, default.samples_max);
    let series_max = limit("series_max", 100_000_000, default.series_max);
    let concurrent = limit("concurrent", 256, default.concurrent);
    let query = Query {
        timeout: map.take("timeout", timeout).unwrap_or(default.timeout),
        lookback: map.take("lookback", lookback).unwrap_or(default.lookback),
        samples_max,
        series_max,
        concurrent,
    };
    map.finish();
    Some(query)
}

impl Metrics {
    pub(super) fn emit(&self, emitter: &mut Emitter) {
        let durability = DURABILITY.iter().find(|(_, meaning)| *meaning == self.durability);
        emitter.map("metrics", |e| {
            e.entry("interval", decode::duration_text(self.interval));
            e.entry("durability", durability.map_or("fsync", |(word, _)| word));
            e.entry("out_of_order_window", decode::duration_text(self.out_of_order_window));
            e.entry("promql_experimental", self.promql_experimental);
            e.entry("admin_api", self.admin_api);
            e.entry("procfs", self.procfs.display());
            e.entry("sysfs", self.sysfs.display());
            e.entry("cgroupfs", self.cgroupfs.display());
            e.map("query", |e| {
                e.entry("timeout", decode::duration_text(self.query.timeout));
                e.entry("samples_max", self.query.samples_max);
                e.entry("series_max", self.query.series_max);
                e.entry("concurrent", self.query.concurrent);
                e.entry("lookback", decode::duration_text(self.query.lookback));
            });
        });
    }
}
