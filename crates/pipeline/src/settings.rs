//! `hinomi.yaml`: every key, its default, its bounds (`docs/reference/config.md`).
//!
//! # Invariants
//!
//! - Every key is optional; an unknown one is a problem; all problems are told at once.
//! - Beyond loopback Hinomi listens only with a token, or when told to do without ([`Access`]).
//! - No secret is in [`Settings::effective_yaml`].

mod access;
mod inspections;
mod metrics;
mod working_hours;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hinomi_alert::numbers::Settings as InspectionSettings;
use hinomi_alert::settings::{Heartbeat, Receiver, Route, Settings as AlertSettings};
use hinomi_config::emit::{self, Emitter};
use hinomi_config::{Map, Note, Problem, Problems, Size, Value, decode, parse};
use url::Url;

use access::Reach;
pub use access::{Access, Given, TOKEN_MIN_CHARS, TOKEN_VARIABLE, Tls, check_token};
pub use metrics::{Durability, GivenMetrics, Metrics as MetricsSettings, Query as QuerySettings};
pub use working_hours::WorkingHours;

/// Default port, HTTP.
pub const PORT: u16 = 8119;
/// Where Docker listens when nothing else is said.
pub const DOCKER_HOST_DEFAULT: &str = "unix:///var/run/docker.sock";

const DAY: Duration = Duration::from_secs(86_400);

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address of the API.
    pub listen: SocketAddr,
    /// Who may ask it.
    pub access: Access,
    /// Its certificate; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// How people reach the page, without path; `None`: as `listen` says.
    pub public_url: Option<Url>,
    /// Where everything is stored.
    pub data_dir: PathBuf,
    /// How long, and how much.
    pub retention: Retention,
    /// Memory budget; `None`: a quarter of RAM or of the cgroup's limit.
    pub memory_max: Option<Size>,
    /// Numbers, and the engine that keeps them.
    pub metrics: MetricsSettings,
    /// The machine.
    pub host: Host,
    /// The Docker Engine to watch.
    pub docker: Docker,
    /// Numbers that are looked at.
    pub inspections: InspectionSettings,
    /// When people are at work.
    pub working_hours: WorkingHours,
    /// Who waits for signs of life.
    pub heartbeat: Option<Heartbeat>,
    /// Where messages go.
    pub receivers: Vec<Receiver>,
    /// Which messages go where.
    pub routes: Vec<Route>,
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// State changes, findings and incidents.
    pub state: Duration,
    /// Samples of metrics.
    pub metrics: Duration,
    /// Most disk space for everything; the oldest goes first.
    pub disk_max: Size,
}

impl Retention {
    /// Of [`Self::disk_max`], the share of records: a quarter.
    #[must_use]
    pub const fn records_disk_max_bytes(&self) -> u64 {
        self.disk_max.0 / 4
    }

    /// Of [`Self::disk_max`], the share of samples: the rest.
    #[must_use]
    pub const fn metrics_disk_max_bytes(&self) -> u64 {
        self.disk_max.0.saturating_sub(self.records_disk_max_bytes())
    }
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in everything that is stored and sent.
    pub name: String,
}

/// The Docker Engine to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// Whether to watch one at all.
    pub enabled: bool,
    /// Its socket, `unix:///path`.
    pub host: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            access: Access::default(),
            tls: None,
            public_url: None,
            data_dir: PathBuf::from("/var/lib/hinomi"),
            retention: Retention { state: DAY * 30 * 13, metrics: DAY * 15, disk_max: Size(10 << 30) },
            memory_max: None,
            metrics: MetricsSettings::default(),
            host: Host { name: hostname() },
            docker: Docker { enabled: true, host: DOCKER_HOST_DEFAULT.to_owned() },
            inspections: InspectionSettings::default(),
            working_hours: WorkingHours::default(),
            heartbeat: None,
            receivers: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl Settings {
    /// Decodes the text of `file`. `env` gives environment variables: `DOCKER_HOST`, and those that secrets name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the file.
    pub fn parse(
        text: &str,
        file: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Self, Vec<Note>), Vec<Problem>> {
        Self::parse_given(text, file, env, &Given::default())
    }

    /// As [`Settings::parse`], with what the command line says.
    ///
    /// # Errors
    ///
    /// As [`Settings::parse`].
    pub fn parse_given(
        text: &str,
        file: &str,
        env: &dyn Fn(&str) -> Option<String>,
        given: &Given,
    ) -> Result<(Self, Vec<Note>), Vec<Problem>> {
        let problems = Problems::new(file);
        let tree = parse(text, &problems);
        let root = Value::root(&tree, &problems).map();
        let settings = root.map(|root| Self::decode(root, &problems, env, given));
        let (problems, notes) = problems.into_sorted();
        match settings {
            Some(settings) if problems.is_empty() => Ok((settings, notes)),
            Some(_) | None => Err(problems),
        }
    }

    /// What can be read of a text, with defaults for what is absent or wrong: enough to know where Hinomi listens,
    /// for whoever may not read its secrets.
    #[must_use]
    pub fn parse_leniently(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let problems = Problems::new("");
        let tree = parse(text, &problems);
        let root = Value::root(&tree, &problems).map();
        root.map_or_else(Self::default, |root| Self::decode(root, &problems, env, &Given::default()))
    }

    /// Scheme and address at which people reach the page, without a `/` at the end. `None` when it listens on all
    /// addresses and `public_url` does not say by which it is reached.
    #[must_use]
    pub fn url_base(&self) -> Option<String> {
        if let Some(url) = &self.public_url {
            return Some(url.as_str().trim_end_matches('/').to_owned());
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        (!self.listen.ip().is_unspecified()).then(|| format!("{scheme}://{}", self.listen))
    }

    /// Every key with the value in force, as YAML. Secrets are shown as `<secret>`.
    #[must_use]
    pub fn effective_yaml(&self) -> String {
        let mut emitter = Emitter::new();
        emitter.entry("listen", self.listen);
        emitter.map("access", |e| {
            match &self.access.token {
                Some(token) => e.entry("token", token),
                None => e.raw("token", "null # none is asked for"),
            }
            e.entry("insecure", self.access.insecure);
            let hosts = self.access.hosts.iter().map(|host| emit::scalar(host)).collect::<Vec<_>>();
            e.raw("hosts", &format!("[{}]", hosts.join(", ")));
        });
        match &self.tls {
            Some(tls) => emitter.map("tls", |e| {
                e.entry("certificate", tls.certificate.display());
                e.entry("key", tls.key.display());
            }),
            None => emitter.raw("tls", "null # plain HTTP"),
        }
        match &self.public_url {
            Some(url) => emitter.entry("public_url", url),
            None => emitter.raw("public_url", "null # as `listen` says"),
        }
        emitter.entry("data_dir", self.data_dir.display());
        emitter.map("retention", |e| {
            e.entry("state", decode::duration_text(self.retention.state));
            e.entry("metrics", decode::duration_text(self.retention.metrics));
            e.entry("disk_max", self.retention.disk_max);
        });
        match self.memory_max {
            Some(size) => emitter.entry("memory_max", size),
            None => emitter.raw("memory_max", "null # a quarter of RAM, or of the cgroup's limit"),
        }
        self.metrics.emit(&mut emitter);
        emitter.map("host", |e| e.entry("name", &self.host.name));
        emitter.map("docker", |e| {
            e.entry("enabled", self.docker.enabled);
            e.entry("host", &self.docker.host);
        });
        inspections::emit(&self.inspections, &mut emitter);
        self.working_hours.emit(&mut emitter);
        match &self.heartbeat {
            Some(heartbeat) => emitter.map("heartbeat", |e| heartbeat.emit(e)),
            None => emitter.raw("heartbeat", "null # nobody waits for signs of life"),
        }
        AlertSettings { receivers: self.receivers.clone(), routes: self.routes.clone() }.emit(&mut emitter);
        emitter.finish()
    }

    /// What is absent or wrong keeps its default; what is wrong is told.
    fn decode(
        mut root: Map<'_>,
        problems: &Problems,
        env: &dyn Fn(&str) -> Option<String>,
        given: &Given,
    ) -> Self {
        let default = Self::default();
        let reach = Reach::take(&mut root, problems, env, given);
        let data_dir = root.take("data_dir", decode::absolute_path);
        let mut retention =
            root.take("retention", |value| retention(value, &default.retention)).unwrap_or(default.retention);
        retention.metrics = given.metrics.retention.unwrap_or(retention.metrics);
        let memory_max = root.take("memory_max", memory_max);
        let mut metrics = root.take("metrics", metrics::take).unwrap_or_default();
        given.metrics.apply(&mut metrics);
        let host = root.take("host", |value| host(value, &default.host));
        let docker = root.take("docker", |value| docker(value, problems, env));
        let inspections = root.take("inspections", inspections::take).unwrap_or_default();
        let working_hours = root.take("working_hours", working_hours::take).unwrap_or_default();
        let heartbeat = root.take("heartbeat", |value| Heartbeat::take(value, env));
        let alert = AlertSettings::take(&mut root, env);
        root.finish();
        Self {
            listen: reach.listen.unwrap_or(default.listen),
            access: reach.access,
            tls: reach.tls,
            public_url: reach.public_url,
            data_dir: data_dir.unwrap_or(default.data_dir),
            retention,
            memory_max,
            metrics,
            host: host.unwrap_or(default.host),
            docker: docker
                .unwrap_or_else(|| Docker { enabled: true, host: docker_host(None, true, problems, env) }),
            inspections,
            working_hours,
            heartbeat,
            receivers: alert.receivers,
            routes: alert.routes,
        }
    }
}

fn retention(value: &Value<'_>, default: &Retention) -> Option<Retention> {
    let mut map = value.map()?;
    let state = map.take("state", decode::duration_within(DAY..=DAY * 3650));
    let disk_max = map.take("disk_max", at_least(Size(64 << 20)));
    let metrics = map.take("metrics", metrics::retention);
    let _unused = map.take("logs", |value| {
        let duration = decode::duration(value);
        value.note("accepted, not used by this version", "it takes effect once Hinomi keeps these itself");
        duration
    });
    map.finish();
    Some(Retention {
        state: state.unwrap_or(default.state),
        metrics: metrics.unwrap_or(default.metrics),
        disk_max: disk_max.unwrap_or(default.disk_max),
    })
}

fn memory_max(value: &Value<'_>) -> Option<Size> {
    at_least(Size(16 << 20))(value)
}

fn at_least(least: Size) -> impl Fn(&Value<'_>) -> Option<Size> {
    move |value| {
        let size = decode::size(value)?;
        if size >= least {
            return Some(size);
        }
        value.problem(format!("{size} is too little to work with"), format!("write {least} or more"));
        None
    }
}

fn host(value: &Value<'_>, default: &Host) -> Option<Host> {
    let mut map = value.map()?;
    let name = map.take("name", decode::name);
    map.finish();
    Some(Host { name: name.unwrap_or_else(|| default.name.clone()) })
}

fn docker(value: &Value<'_>, problems: &Problems, env: &dyn Fn(&str) -> Option<String>) -> Option<Docker> {
    let mut map = value.map()?;
    let enabled = map.take("enabled", decode::boolean).unwrap_or(true);
    let mut written = false;
    let host = map.take("host", |value| {
        written = true;
        let text = decode::string(value)?;
        check_docker_host(&text).map_err(|(message, remedy)| value.problem(message, remedy)).ok()?;
        Some(text)
    });
    map.finish();
    // A wrong host is told already; the environment's need not be judged when it is not used.
    let wanted = enabled && !written;
    Some(Docker { enabled, host: docker_host(host, wanted, problems, env) })
}

fn docker_host(
    written: Option<String>,
    wanted: bool,
    problems: &Problems,
    env: &dyn Fn(&str) -> Option<String>,
) -> String {
    if let Some(host) = written {
        return host;
    }
    let from_env = env("DOCKER_HOST").filter(|host| wanted && !host.is_empty());
    let Some(host) = from_env else { return DOCKER_HOST_DEFAULT.to_owned() };
    if let Err((message, remedy)) = check_docker_host(&host) {
        problems.add_outside("environment variable DOCKER_HOST", message, remedy);
    }
    host
}

fn check_docker_host(host: &str) -> Result<(), (String, String)> {
    match host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(()),
        Some(_) => Err(("the path of the socket is not absolute".to_owned(), remedy_docker_host())),
        None => {
            Err(("this version reaches Docker through a local socket only".to_owned(), remedy_docker_host()))
        }
    }
}

fn remedy_docker_host() -> String {
    format!(
        "write `docker: {{ host: \"{DOCKER_HOST_DEFAULT}\" }}`, and run Hinomi on the machine that runs Docker"
    )
}

/// The kernel's name of this machine.
fn hostname() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = read.trim();
    if name.is_empty() || name == "(none)" { "localhost".to_owned() } else { name.to_owned() }
}
