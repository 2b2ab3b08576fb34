//! Reads the engine's `inspect` and `list` answers.
//!
//! # Invariants
//!
//! - The decoder has no field for the environment: its values are dropped while parsing and cannot reach a fact.
//! - Pure. Texts that a container controls are redacted and bounded here.

use std::collections::BTreeMap;

use hinomi_model::{
    HealthStatus, Nanos, PortSpec, ResourceId, ResourceKind, RestartPolicy, Spec, Tenant, WorkloadKind,
    WorkloadRef,
};
use serde::{Deserialize, Deserializer};

use crate::redact::redact;

/// Most labels kept.
const MAX_LABELS: usize = 64;
/// Longest label key or value.
const MAX_LABEL_BYTES: usize = 256;
/// Longest command or probe output.
const MAX_TEXT_BYTES: usize = 1024;
/// Most bind sources looked at.
const MAX_BINDS: usize = 64;
/// Most published ports kept.
const MAX_PORTS: usize = 64;

/// `null` reads as the default: the engine writes it for empty lists and maps.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

macro_rules! reads {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty = $key:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $(#[serde(rename = $key, deserialize_with = "nullable")] pub(crate) $field: $kind,)*
        }
    };
}

reads!(
    /// A container as inspected.
    Inspect {
        id: String = "Id",
        created: String = "Created",
        path: String = "Path",
        args: Vec<String> = "Args",
        state: RawState = "State",
        image: String = "Image",
        name: String = "Name",
        restart_count: u32 = "RestartCount",
        host: Host = "HostConfig",
        config: Config = "Config",
        network: Network = "NetworkSettings",
    }
);
reads!(RawState {
    status: String = "Status",
    running: bool = "Running",
    oom_killed: bool = "OOMKilled",
    pid: u32 = "Pid",
    exit_code: i32 = "ExitCode",
    error: String = "Error",
    started_at: String = "StartedAt",
    finished_at: String = "FinishedAt",
    health: RawHealth = "Health",
});
reads!(RawHealth {
    status: String = "Status",
    failing_streak: u32 = "FailingStreak",
    log: Vec<Probe> = "Log",
});
reads!(Probe { exit_code: i32 = "ExitCode", output: String = "Output" });
reads!(Host {
    restart: RawRestart = "RestartPolicy",
    auto_remove: bool = "AutoRemove",
    log: LogConfig = "LogConfig",
    memory: u64 = "Memory",
    bindings: BTreeMap<String, Option<Vec<Binding>>> = "PortBindings",
    mounts: Vec<Mount> = "Mounts",
    network: String = "NetworkMode",
});
reads!(Mount { kind: String = "Type", source: String = "Source" });
reads!(RawRestart { name: String = "Name", max: u32 = "MaximumRetryCount" });
reads!(LogConfig { driver: String = "Type" });
reads!(Config {
    image: String = "Image",
    tty: bool = "Tty",
    attach_stdin: bool = "AttachStdin",
    attach_stdout: bool = "AttachStdout",
    attach_stderr: bool = "AttachStderr",
    labels: BTreeMap<String, String> = "Labels",
    check: Check = "Healthcheck",
    stop_timeout: Option<u64> = "StopTimeout",
    stop_signal: String = "StopSignal",
});
reads!(Check {
    test: Vec<String> = "Test",
    interval: u64 = "Interval",
    start_period: u64 = "StartPeriod",
    retries: u32 = "Retries",
});
reads!(Network { ports: BTreeMap<String, Option<Vec<Binding>>> = "Ports", });
reads!(Binding { host_ip: String = "HostIp", host_port: String = "HostPort" });
reads!(
    /// A line of the container list.
    Listed {
        id: String = "Id",
        names: Vec<String> = "Names",
        state: String = "State",
        status: String = "Status",
    }
);

impl Inspect {
    /// Sources of bind mounts that the engine does not make itself (`--mount type=bind`).
    pub(crate) fn bind_sources(&self) -> impl Iterator<Item = &str> {
        let binds =
            self.host.mounts.iter().filter(|mount| mount.kind == "bind" && mount.source.starts_with('/'));
        binds.map(|mount| mount.source.as_str()).take(MAX_BINDS)
    }

    /// When it was created.
    pub(crate) fn created_at(&self) -> Option<Nanos> {
        Nanos::parse_rfc3339(&self.created)
    }

    /// When its last run began.
    pub(crate) fn started_at(&self) -> Option<Nanos> {
        Nanos::parse_rfc3339(&self.state.started_at)
    }

    /// When its last run ended.
    pub(crate) fn finished_at(&self) -> Option<Nanos> {
        Nanos::parse_rfc3339(&self.state.finished_at)
    }

    /// The runtime's error text, redacted.
    pub(crate) fn error(&self) -> Option<String> {
        (!self.state.error.is_empty()).then(|| bounded(&self.state.error))
    }

    /// Whether it has a network of its own: neither the host's nor another container's.
    pub(crate) fn has_own_network(&self) -> bool {
        let mode = &self.host.network;
        mode != "host" && !mode.starts_with("container:")
    }

    /// The health verdict; none without a check.
    pub(crate) fn health(&self) -> Option<HealthStatus> {
        if !self.has_check() {
            return None;
        }
        health_word(&self.state.health.status)
    }

    /// Failed probes in a row, and the last probe's result, redacted.
    pub(crate) fn probe(&self) -> (u32, Option<String>) {
        let text = |probe: &Probe| match probe.output.trim_end() {
            "" => format!("exit {}", probe.exit_code),
            output => bounded(&format!("exit {}: {output}", probe.exit_code)),
        };
        (self.state.health.failing_streak, self.state.health.log.last().map(text))
    }

    fn has_check(&self) -> bool {
        self.config.check.test.first().is_some_and(|first| !first.is_empty() && first != "NONE")
    }

    /// What was declared.
    pub(crate) fn spec(&self) -> Spec {
        let check = &self.config.check;
        let has_check = self.has_check();
        let or = |value: u64, default: u64| if value == 0 { default } else { value };
        let attached = self.config.attach_stdin || self.config.attach_stdout || self.config.attach_stderr;
        Spec {
            image: self.config.image.clone(),
            image_id: self.image.clone(),
            command: self.command(),
            created_at: self.created_at(),
            restart: self.restart(),
            auto_remove: self.host.auto_remove,
            // Compose says "attached" of everything it starts, also in the background.
            attached: attached && compose_service(&self.config.labels).is_none(),
            has_health_check: has_check,
            health_start_period_ms: if has_check { check.start_period / 1_000_000 } else { 0 },
            health_interval_ms: if has_check { or(check.interval / 1_000_000, 30_000) } else { 0 },
            health_retries: if has_check { if check.retries == 0 { 3 } else { check.retries } } else { 0 },
            ports: self.ports(),
            memory_limit_bytes: self.host.memory,
            stop_timeout_ms: self.config.stop_timeout.unwrap_or(10).saturating_mul(1000),
            stop_signal: signal_number(&self.config.stop_signal).unwrap_or(0),
            log_driver: self.host.log.driver.clone(),
            labels: bound_labels(self.config.labels.clone()),
        }
    }

    fn command(&self) -> String {
        let mut text = self.path.clone();
        for arg in &self.args {
            if text.len() > 16 * MAX_TEXT_BYTES {
                break;
            }
            text.push(' ');
            text.push_str(arg);
        }
        bounded(&text)
    }

    fn restart(&self) -> RestartPolicy {
        match self.host.restart.name.as_str() {
            "always" => RestartPolicy::Always,
            "unless-stopped" => RestartPolicy::UnlessStopped,
            "on-failure" => RestartPolicy::OnFailure { max_retries: self.host.restart.max },
            _ => RestartPolicy::No,
        }
    }

    /// Published ports: as they are while it runs, else as asked for.
    fn ports(&self) -> Vec<PortSpec> {
        let live = self.network.ports.values().any(Option::is_some);
        let table = if live { &self.network.ports } else { &self.host.bindings };
        let mut ports = Vec::new();
        for (key, bindings) in table {
            let Some((port, protocol)) = key.split_once('/') else { continue };
            let Ok(container_port) = port.parse() else { continue };
            for binding in bindings.iter().flatten() {
                let spec = PortSpec {
                    container_port,
                    host_port: binding.host_port.parse().unwrap_or(0),
                    protocol: protocol.to_owned(),
                };
                if ports.len() < MAX_PORTS && !ports.contains(&spec) {
                    ports.push(spec);
                }
            }
        }
        ports
    }

    /// Address that a published port can be reached at from the daemon's host.
    pub(crate) fn published(&self, port: u16) -> Option<(String, u16)> {
        let bindings = self.network.ports.get(&format!("{port}/tcp"))?.as_ref()?;
        let binding = bindings.first()?;
        let ip = match binding.host_ip.as_str() {
            "" | "0.0.0.0" | "::" => "127.0.0.1",
            ip => ip,
        };
        Some((ip.to_owned(), binding.host_port.parse().ok()?))
    }
}

impl Listed {
    /// Its name without slash; links make more names that contain one.
    pub(crate) fn name(&self) -> &str {
        let bare = |name: &'_ String| !name.trim_start_matches('/').contains('/');
        self.names.iter().find(|name| bare(name)).map_or("", |name| name.trim_start_matches('/'))
    }

    /// The health verdict that the status text names.
    pub(crate) fn health(&self) -> Option<HealthStatus> {
        let (_, word) = self.status.rsplit_once('(')?;
        health_word(word.trim_end_matches(')').trim_start_matches("health: "))
    }
}

fn health_word(word: &str) -> Option<HealthStatus> {
    match word {
        "starting" => Some(HealthStatus::Starting),
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        _ => None,
    }
}

/// Linux's number of a signal written as `9`, `KILL` or `SIGKILL`.
pub(crate) fn signal_number(text: &str) -> Option<i32> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN+") {
        return offset
            .parse::<i32>()
            .ok()
            .filter(|offset| (0..=30).contains(offset))
            .map(|offset| 34 + offset);
    }
    let index = NAMES.iter().position(|known| *known == name)?;
    i32::try_from(index + 1).ok()
}

/// Redacted, then cut to [`MAX_TEXT_BYTES`].
pub(crate) fn bounded(text: &str) -> String {
    // Redact first: a cut could hide the end by which a secret is known.
    cut(&redact(cut(text, 16 * MAX_TEXT_BYTES)), MAX_TEXT_BYTES).to_owned()
}

/// The longest beginning of at most `limit` bytes that ends between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// At most 64 labels of at most 256 bytes; Compose's own come first, for they say what belongs together.
pub(crate) fn bound_labels(labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let (compose, other): (Vec<_>, Vec<_>) =
        labels.into_iter().partition(|(key, _)| key.starts_with("com.docker.compose."));
    let bounded = |(key, value): (String, String)| {
        let assignment = format!("{key}={value}");
        let clean = redact(&assignment);
        let value =
            clean.strip_prefix(key.as_str()).and_then(|rest| rest.strip_prefix('=')).unwrap_or(&clean);
        (cut(&key, MAX_LABEL_BYTES).to_owned(), cut(value, MAX_LABEL_BYTES).to_owned())
    };
    compose.into_iter().chain(other).take(MAX_LABELS).map(bounded).collect()
}

fn compose_service(labels: &BTreeMap<String, String>) -> Option<WorkloadRef> {
    let get = |key: &str| labels.get(key).filter(|value| !value.is_empty());
    if get("com.docker.compose.oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    Some(WorkloadRef {
        kind: WorkloadKind::ComposeService,
        project: cut(get("com.docker.compose.project")?, MAX_LABEL_BYTES).to_owned(),
        name: cut(get("com.docker.compose.service")?, MAX_LABEL_BYTES).to_owned(),
    })
}

/// The workload of a container: its Compose service, else itself by name.
pub(crate) fn workload(name: &str, labels: &BTreeMap<String, String>) -> WorkloadRef {
    compose_service(labels).unwrap_or_else(|| WorkloadRef {
        kind: WorkloadKind::LoneContainer,
        project: String::new(),
        name: name.to_owned(),
    })
}

/// Identity of a container.
pub(crate) fn resource(
    cluster: &str,
    node: &str,
    id: &str,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> ResourceId {
    let name = name.trim_start_matches('/');
    // Nameless only while nobody asked: twelve digits of the id are what people see elsewhere.
    let name = if name.is_empty() { cut(id, 12) } else { cut(name, MAX_LABEL_BYTES) };
    ResourceId {
        tenant: Tenant::default(),
        cluster: cluster.to_owned(),
        kind: ResourceKind::Container,
        uid: id.to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        workload: Some(workload(name, labels)),
    }
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
