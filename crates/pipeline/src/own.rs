//! Hinomi's own numbers, as metric families: what `hinomi status` counts, figures of the engine, and of this process.
//!
//! # Invariants
//!
//! - Counters end with `_total`, sizes and times are in base units, and every family has a help text.
//! - Reading them takes short locks only and changes nothing.

use hinomi_model::Level;
use hinomi_series::{Labels, METRIC_NAME};
use hinomi_wire::{Families, Head};

use crate::Handle;

/// Label `job` of what is stored.
pub const JOB: &str = "hinomi";
/// Label `job` of the host's series, as the configuration that Debian's Prometheus comes with has it.
pub const HOST_JOB: &str = "node";
/// Label `job` of containers' series, as cAdvisor's documentation has it.
pub const CONTAINERS_JOB: &str = "cadvisor";

/// Named counters of [`hinomi_base::counters::Counters`] and what they say. Those that are levels are gauges here.
const COUNTERS: [(&str, Meaning); 41] = [
    (
        "changes_rejected_total",
        Sum("State changes that the pipeline had no room for; collectors send them again."),
    ),
    ("changes_taken_total", Sum("State changes that the pipeline took.")),
    ("docker_changes_shed", Sum("State changes of containers that were lost because too many waited.")),
    ("docker_changes_waiting", Height("State changes of containers that wait for the pipeline.")),
    ("docker_event_lines_unreadable", Sum("Lines of Docker's event stream that could not be read.")),
    ("docker_events", Sum("Events taken from Docker.")),
    ("docker_events_dropped", Sum("Events of Docker that were shed because too many waited.")),
    (
        "docker_logs_not_followed",
        Sum("Logs that were not followed, because too many are or memory has no room."),
    ),
    ("inspection_busy_microseconds_total", Sum("Time that inspections of numbers took.")),
    ("inspection_questions_failed_total", Sum("Questions of inspections of numbers that failed.")),
    ("inspection_rounds_total", Sum("Rounds of inspections of numbers.")),
    ("messages_shed_total", Sum("Messages that were shed because too many waited.")),
    ("messages_without_receiver_total", Sum("Messages whose receiver is not configured any more.")),
    ("metrics_collected_rejected_total", Sum("Collected samples that the engine did not take.")),
    ("metrics_collected_samples_total", Sum("Collected samples that were stored.")),
    ("metrics_collected_shed_total", Sum("Collected samples that were left out for want of memory.")),
    ("metrics_rounds_dropped_total", Sum("Rounds of collecting that could not be stored.")),
    ("metrics_rounds_missed_total", Sum("Rounds of collecting that were skipped.")),
    ("metrics_rounds_total", Sum("Rounds of collecting.")),
    ("notify_gave_up_total", Sum("Messages that were given up.")),
    ("notify_queue_full_total", Sum("Messages that found the queue of their receiver full.")),
    ("notify_retried_total", Sum("Tries to send a message beyond the first.")),
    ("notify_sent_total", Sum("Messages that receivers accepted.")),
    ("oom_facts", Sum("Kills for memory that were told.")),
    ("oom_facts_dropped", Sum("Kills for memory that were lost because too many waited.")),
    ("oom_inotify_lost", Sum("Times that the kernel's queue of watched cgroups ran over.")),
    ("oom_kmsg_lost", Sum("Times that lines of the kernel's log were overwritten before they were read.")),
    ("oom_latency_max_us", Height("Longest time from a kill to its telling.")),
    ("oom_latency_us", Height("Time from the last kill to its telling.")),
    ("oom_trace_lost", Sum("Kills that the kernel's trace buffer had no room for.")),
    ("oom_victims_denied", Sum("Killed processes whose container could not be looked up.")),
    ("oom_victims_elsewhere", Sum("Killed processes that belong to no container.")),
    ("oom_watch_overflow", Sum("Containers whose cgroup was not watched because too many commands waited.")),
    ("records_checkpoints_refused_total", Sum("Checkpoints that the disk did not take.")),
    ("records_damaged_places", Height("Places of the journal that could not be read at the start.")),
    ("records_dropped_total", Sum("Records that no longer fitted in memory while the disk refused.")),
    ("records_groups_total", Sum("Groups of records that were written together.")),
    ("records_stored_total", Sum("Records that were stored.")),
    ("records_too_large_total", Sum("Records that were too large to be stored.")),
    ("records_unreadable_total", Sum("Stored records that this version cannot read.")),
    ("records_write_failures_total", Sum("Writes of the journal that failed.")),
];

/// Whether a counter is a sum or a level, and its help.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Sum(&'static str),
    Height(&'static str),
}

use Meaning::{Height, Sum};

/// Families under way, with the labels that all have.
struct Out<'a> {
    families: &'a mut Families,
    instance: &'a str,
}

impl Out<'_> {
    fn put(&mut self, head: &Head<'_>, pairs: &[(&str, &str)], value: f64) {
        let base = [(METRIC_NAME, head.name), ("job", JOB), ("instance", self.instance)];
        self.families.push(head, Labels::from_pairs(base.into_iter().chain(pairs.iter().copied())), value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.put(&Head::gauge(name, help), &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.put(&Head::counter(name, help), &[], value);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floats; counts above 2^53 lose their last digits"
)]
fn float(count: u64) -> f64 {
    count as f64
}

fn size(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}

fn yes(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

impl Handle {
    /// Adds the numbers of Hinomi itself, with the labels `job` and `instance`.
    pub fn own_metrics(&self, families: &mut Families) {
        let instance = &self.settings().host.name;
        let out = &mut Out { families, instance };
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.put(&Head::gauge("hinomi_build_info", "1; the labels say which build this is."), &version, 1.0);
        self.counted(out);
        self.watched(out);
        self.parts(out);
        self.disk(out);
        self.engine(out);
        process(out);
    }

    fn counted(&self, out: &mut Out<'_>) {
        for (name, value) in self.shared().counters.all() {
            let known = COUNTERS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
            let bare = name.strip_suffix("_total").unwrap_or(name);
            let micros = bare.strip_suffix("_us").or_else(|| bare.strip_suffix("_microseconds"));
            let (value, unit) =
                if micros.is_some() { (float(value) / 1e6, "_seconds") } else { (float(value), "") };
            let stem = micros.unwrap_or(bare);
            let meaning = known.unwrap_or(if bare == name {
                Height("A level that `hinomi status -v` shows.")
            } else {
                Sum("A sum that `hinomi status -v` shows.")
            });
            match meaning {
                Sum(help) => out.counter(&format!("hinomi_{stem}{unit}_total"), help, value),
                Height(help) => out.gauge(&format!("hinomi_{stem}{unit}"), help, value),
            }
        }
    }

    fn watched(&self, out: &mut Out<'_>) {
        let totals = self.totals();
        out.gauge("hinomi_containers", "Containers that are not gone.", size(totals.containers));
        out.gauge("hinomi_containers_running", "Containers that run.", size(totals.running));
        out.gauge("hinomi_workloads", "Workloads.", size(totals.workloads));
        let head =
            Head::gauge("hinomi_incidents_open", "Open incidents by the present level of their findings.");
        let open = [(Level::None, totals.none), (Level::Notice, totals.notice), (Level::Alert, totals.alert)];
        for (level, count) in open {
            out.put(&head, &[("level", &level.as_str().to_lowercase())], size(count));
        }
    }

    fn parts(&self, out: &mut Out<'_>) {
        let head =
            Head::gauge("hinomi_collector_up", "1 if a collector sees what it should see, 0 otherwise.");
        for collector in self.shared().collectors.all() {
            out.put(&head, &[("collector", &collector.name)], yes(collector.ok));
        }
        for receiver in self.receivers() {
            let (labels, status) = ([("receiver", receiver.status.name.as_str())], &receiver.status);
            let mut put = |head: &Head<'_>, value| out.put(head, &labels, value);
            put(
                &Head::gauge(
                    "hinomi_receiver_up",
                    "1 if the last try to reach a receiver succeeded, 0 otherwise.",
                ),
                yes(status.failing_since.is_none()),
            );
            put(
                &Head::gauge("hinomi_receiver_messages_waiting", "Messages that wait for a receiver."),
                size(receiver.waiting),
            );
            put(
                &Head::counter(
                    "hinomi_receiver_messages_accepted_total",
                    "Messages that a receiver accepted.",
                ),
                float(status.sent),
            );
            put(
                &Head::counter("hinomi_receiver_retries_total", "Tries beyond the first of a message."),
                float(status.retried),
            );
            put(
                &Head::counter("hinomi_receiver_messages_given_up_total", "Messages given up."),
                float(status.gave_up),
            );
        }
    }

    fn disk(&self, out: &mut Out<'_>) {
        let budget = &self.shared().budget;
        out.gauge(
            "hinomi_memory_budget_used_bytes",
            "Memory that queues, caches and series have drawn from the budget.",
            float(budget.used_bytes()),
        );
        out.gauge("hinomi_memory_budget_bytes", "Limit of the memory budget.", float(budget.limit_bytes()));
        out.counter(
            "hinomi_memory_budget_refused_total",
            "Requests for memory that the budget refused.",
            float(budget.refused()),
        );
        let store = self.store();
        out.gauge("hinomi_records_up", "1 if the disk takes records, 0 while it refuses.", yes(store.ok));
        out.gauge("hinomi_records_waiting", "Records that wait for the disk.", float(store.queued));
        out.gauge("hinomi_records_disk_bytes", "Bytes of the journal.", float(store.disk_bytes));
        out.gauge("hinomi_records_segments", "Segments of the journal.", size(store.segments));
    }

    fn engine(&self, out: &mut Out<'_>) {
        let view = self.metrics().view();
        out.gauge("hinomi_metrics_up", "1 if the disk takes samples, 0 while it refuses.", yes(view.ok));
        out.gauge("hinomi_metrics_head_series", "Series in memory.", size(view.series));
        out.gauge("hinomi_metrics_head_bytes", "Memory of the series in it.", float(view.memory_bytes));
        out.gauge("hinomi_metrics_blocks", "Blocks on disk.", size(view.blocks));
        out.gauge("hinomi_metrics_blocks_samples", "Samples in the blocks.", float(view.block_samples));
        out.gauge("hinomi_metrics_disk_bytes", "Bytes of blocks and log.", float(view.disk_bytes));
        out.gauge("hinomi_metrics_disk_max_bytes", "Most bytes of both.", float(view.disk_max_bytes));
        out.gauge("hinomi_metrics_wal_bytes", "Bytes of the log.", float(view.log_bytes));
        out.gauge("hinomi_metrics_queries_running", "Queries at work.", float(view.queries_running));
        out.gauge("hinomi_metrics_queries_waiting", "Queries that wait.", float(view.queries_waiting));
        let appended = "Samples that were stored, from all sources.";
        out.counter("hinomi_metrics_samples_appended_total", appended, float(view.appended));
        let refused = "Batches of samples that were not taken as a whole.";
        out.counter("hinomi_metrics_batches_refused_total", refused, float(view.refused));
        let rejected = "Samples that were not stored, from all sources, by reason.";
        let head = Head::counter("hinomi_metrics_samples_rejected_total", rejected);
        for (reason, count) in view.rejected {
            out.put(&head, &[("reason", reason)], float(count));
        }
    }
}

/// Under the names that Prometheus' client libraries use.
fn process(out: &mut Out<'_>) {
    let figures = hinomi_base::process::figures();
    out.counter("process_cpu_seconds_total", "Time on processors, user and system.", figures.cpu_seconds);
    out.gauge("process_resident_memory_bytes", "Memory in RAM.", float(figures.resident_bytes));
    out.gauge("process_virtual_memory_bytes", "Address space.", float(figures.virtual_bytes));
    out.gauge("process_open_fds", "Open file descriptors.", float(figures.open_fds));
    if let Some(most) = figures.max_fds {
        out.gauge("process_max_fds", "Most open file descriptors.", float(most));
    }
    out.gauge("process_threads", "Threads.", float(figures.threads));
    out.gauge(
        "process_start_time_seconds",
        "When the process started, since the epoch.",
        figures.start_seconds,
    );
}
