//! The numbers of `hinomi up`: from the collectors, and of Hinomi itself, into the engine.

use std::time::Instant;

use hinomi_agent::metrics::{self, Plan, Roots, Taker, Target, root_beside};
use hinomi_agent::{docker, oom};
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_config::decode::duration_text;
use hinomi_pipeline::settings::Settings;
use hinomi_pipeline::{CONTAINERS_JOB, Collected, CollectorStatus, HOST_JOB, Handle, Scrape};
use hinomi_wire::Families;

use super::collectors::facts;

/// Name of this collector in `hinomi status`.
const METRICS: &str = "metrics";

/// Where the settings say that the kernel is found.
pub(super) fn roots(settings: &Settings) -> Roots {
    let at = &settings.metrics;
    Roots {
        proc: at.procfs.clone(),
        sys: at.sysfs.clone(),
        cgroup: at.cgroupfs.clone(),
        root: root_beside(&at.procfs),
    }
}

/// The same for the witnesses of kills.
pub(super) fn oom_options(settings: &Settings) -> oom::Options {
    oom::Options {
        proc_root: settings.metrics.procfs.clone(),
        cgroup_root: settings.metrics.cgroupfs.clone(),
        ..oom::Options::default()
    }
}

/// A service that collects as the settings say, and registers its status.
pub(super) fn service(
    settings: &Settings,
    handle: &Handle,
    docker: docker::Handle,
    clock: Clock,
    counters: &Counters,
) -> metrics::Service {
    let host = &settings.host.name;
    let labels = |job: &str| metrics::Options {
        labels: vec![("job".to_owned(), job.to_owned()), ("instance".to_owned(), host.clone())],
        host: host.clone(),
        ..metrics::Options::default()
    };
    let plan = Plan {
        interval: settings.metrics.interval,
        roots: roots(settings),
        host: labels(HOST_JOB),
        containers: settings.docker.enabled.then(|| labels(CONTAINERS_JOB)),
    };
    let store =
        Store { collected: Collected::new(handle, host), handle: handle.clone(), own: Families::new() };
    let (service, numbers) = metrics::Service::new(plan, docker, clock, counters, Box::new(store));
    let every = duration_text(settings.metrics.interval);
    handle.add_collector(move || status(&numbers.status(), &every));
    service
}

/// Takes what is collected to the engine.
struct Store {
    collected: Collected,
    handle: Handle,
    own: Families,
}

impl Taker for Store {
    fn begin(&mut self, at_ms: i64) {
        self.collected.begin(at_ms);
    }

    fn take(&mut self, scrape: &metrics::Scrape<'_>) {
        let job = match scrape.target {
            Target::Host => HOST_JOB,
            Target::Containers => CONTAINERS_JOB,
        };
        let metrics::Scrape { families, up, took, .. } = *scrape;
        self.collected.take(job, &Scrape { families, up, took });
    }

    fn finish(&mut self) {
        let began = Instant::now();
        self.own.clear();
        self.handle.own_metrics(&mut self.own);
        let scrape = Scrape { families: &self.own, up: true, took: began.elapsed() };
        self.collected.take(hinomi_pipeline::JOB, &scrape);
        self.collected.finish();
    }
}

fn status(status: &metrics::Status, every: &str) -> CollectorStatus {
    let mut detail = if status.rounds == 0 {
        format!("host and containers, every {every}")
    } else {
        let metrics::Status { host_samples, container_samples, containers, .. } = status;
        format!(
            "every {every}: {host_samples} samples of the host, {container_samples} of {containers} containers"
        )
    };
    if status.missed > 0 {
        detail.push_str(&format!("; {} rounds missed, the last took {} ms", status.missed, status.took_ms));
    }
    for off in &status.off {
        detail.push_str(&format!("; {} off: {}", off.feature, off.reason));
    }
    CollectorStatus { name: METRICS.to_owned(), ok: status.off.is_empty(), detail, facts: facts(status) }
}
