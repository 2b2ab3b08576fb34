//! The collectors of `hinomi up`: what runs beside containers, and what it says about itself.

use std::sync::Arc;
use std::time::Duration;

use hinomi_agent::rights::Right;
use hinomi_agent::{docker, oom};
use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{self, Shutdown};
use hinomi_model::Sink;
use hinomi_pipeline::settings::Settings;
use hinomi_pipeline::{CollectorStatus, Handle, Intake};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{docker_disk, numbers};
use crate::render::status::RIGHTS;

const DOCKER: &str = "docker";
const OOM: &str = "oom";
const INTAKE: &str = "intake";

/// What collectors are built from.
pub(crate) struct Parts<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) clock: Clock,
    pub(crate) budget: Budget,
    pub(crate) counters: Counters,
    pub(crate) handle: &'a Handle,
    pub(crate) intake: Intake,
    pub(crate) rights: &'a [Right],
}

impl Parts<'_> {
    /// Starts them and registers their status.
    pub(crate) fn start(self, shutdown: &Shutdown) -> Vec<JoinHandle<()>> {
        let rights = rights_status(self.rights);
        self.handle.add_collector(move || rights.clone());
        let (settings, handle, clock) = (self.settings, self.handle, self.clock.clone());
        let counters = self.counters.clone();
        let (mut tasks, docker) = self.watch(shutdown);
        let numbers = numbers::service(settings, handle, docker, clock, &counters);
        tasks.push(task::spawn("metrics", numbers.run(shutdown.clone())));
        tasks
    }

    /// What watches containers, and the handle to what runs.
    fn watch(self, shutdown: &Shutdown) -> (Vec<JoinHandle<()>>, docker::Handle) {
        if !self.settings.docker.enabled {
            self.handle.add_collector(|| CollectorStatus {
                name: DOCKER.to_owned(),
                ok: true,
                detail: "switched off by docker.enabled; no container is watched".to_owned(),
                facts: Value::Null,
            });
            // The kernel's kills are told apart by containers, so without them nobody listens for kills either.
            let hold = task::spawn(INTAKE, hold(self.intake, shutdown.clone()));
            return (vec![hold], docker::Handle::default());
        }
        let sink: Arc<dyn Sink> = Arc::new(self.intake);
        let name = &self.settings.host.name;
        let (oom, victims) = oom::Service::new(
            numbers::oom_options(self.settings),
            Arc::clone(&sink),
            self.clock.clone(),
            self.counters.clone(),
        );
        let options = docker::Options {
            host: self.settings.docker.host.clone(),
            cluster: name.clone(),
            node: name.clone(),
            proc_root: self.settings.metrics.procfs.clone(),
            ..docker::Options::default()
        };
        let disk = docker_disk::run(options.clone(), self.handle.clone(), shutdown.clone());
        let known = self.handle.known(name);
        let (docker, containers) = docker::Service::new(
            options,
            known,
            sink,
            self.clock,
            self.budget,
            self.counters,
            victims.clone(),
        );
        let host = self.settings.docker.host.clone();
        let (logs, running) = (containers.clone(), containers.clone());
        self.handle.add_logs(move |id| logs.log_tail(id));
        self.handle.add_collector(move || docker_status(&containers.status(), &host));
        self.handle.add_collector(move || oom_status(&victims.status()));
        let oom = task::spawn(OOM, oom.run(shutdown.clone()));
        let disk = task::spawn("docker-disk", disk);
        (vec![oom, disk, task::spawn(DOCKER, docker.run(shutdown.clone()))], running)
    }
}

/// Keeps the way in open until shutdown: the pipeline ends when nobody is left who could tell it anything.
async fn hold(intake: Intake, mut shutdown: Shutdown) {
    shutdown.wait().await;
    drop(intake);
}

/// Waits until each collector has something to say about itself.
pub(crate) async fn first_contact(handle: &Handle, limit: Duration) {
    let waits = |collector: &CollectorStatus| match collector.name.as_str() {
        DOCKER => collector.facts["state"] == "waiting",
        OOM => collector.facts["kmsg"]["reason"] == "",
        _ => false,
    };
    let all = async {
        while handle.status().collectors.iter().any(waits) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _later = tokio::time::timeout(limit, all).await;
}

pub(super) fn facts<T: Serialize>(status: &T) -> Value {
    hinomi_server::json::to_value(status).unwrap_or_default()
}

fn docker_status(status: &docker::Status, host: &str) -> CollectorStatus {
    let ok = status.state == docker::State::Connected;
    let detail = if ok {
        let api = &status.api_version;
        format!("Docker {} at {host} (API {api}), {} containers", status.version, status.containers)
    } else if status.detail.is_empty() {
        format!("connecting to {host}")
    } else {
        format!("{}; Hinomi keeps trying", status.detail)
    };
    CollectorStatus { name: DOCKER.to_owned(), ok, detail, facts: facts(status) }
}

fn oom_status(status: &oom::Status) -> CollectorStatus {
    let witnesses = [("tracefs", &status.tracefs), ("kernel log", &status.kmsg), ("cgroup", &status.cgroup)];
    let on: Vec<&str> = witnesses.iter().filter(|(_, witness)| witness.on).map(|(name, _)| *name).collect();
    let version = status.cgroup_version.as_str();
    let detail = if on.is_empty() {
        "the kernel's kills for memory are told by Docker's own event only".to_owned()
    } else {
        format!("kills for memory, told by the kernel ({}; cgroup version: {version})", on.join(", "))
    };
    CollectorStatus { name: OOM.to_owned(), ok: !on.is_empty(), detail, facts: facts(status) }
}

fn rights_status(rights: &[Right]) -> CollectorStatus {
    let missing: Vec<&str> = rights.iter().filter(|right| !right.on).map(|right| right.feature).collect();
    let detail = if missing.is_empty() {
        "every feature has its right".to_owned()
    } else {
        format!("off at the start for want of a right: {}", missing.join(", "))
    };
    let facts = json!({ "rights": facts(&rights) });
    CollectorStatus { name: RIGHTS.to_owned(), ok: missing.is_empty(), detail, facts }
}
