//! Receivers and routes as the user writes them.
//!
//! Invariants: receiver names are unique; every route leads to a receiver that exists; no route carries the level none.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hinomi_config::emit::Emitter;
use hinomi_config::{Map, Secret, Value, closest, decode};
use hinomi_model::Level;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

/// How long one try may take when nothing else is written.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_LEAST: Duration = Duration::from_millis(100);
const TIMEOUT_MOST: Duration = Duration::from_secs(60);
const RECEIVERS_MAX: usize = 64;
const ROUTES_MAX: usize = 256;
const HEADERS_MAX: usize = 32;

/// Headers that the sender sets itself.
const HEADERS_TAKEN: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "user-agent",
];

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, unique.
    pub name: String,
    /// How it is reached.
    pub webhook: Webhook,
}

/// An HTTP POST of JSON (`docs/formats/webhook.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: Endpoint,
    /// Further request headers by lower-case name.
    pub headers: BTreeMap<String, Secret>,
    /// How long one try may take, from connecting to the end of the answer.
    pub timeout: Duration,
}

/// A URL that may itself be a secret: many services put their key into its path.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    secret: bool,
}

impl Endpoint {
    /// A URL; `secret` hides all of it but the host.
    #[must_use]
    pub fn new(url: Url, secret: bool) -> Self {
        Self { url, secret }
    }

    /// The whole URL, with credentials; never for a log or an answer.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.url
    }

    /// Host, with its port where one is written: what may be shown.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether all of it but the host is to be hidden.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }
}

/// Without credentials; `<secret>` when it is one.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret {
            return f.write_str("<secret>");
        }
        if self.url.username().is_empty() && self.url.password().is_none() {
            return f.write_str(self.url.as_str());
        }
        write!(f, "{}://<secret>@{}{}", self.url.scheme(), self.host(), self.url.path())?;
        self.url.query().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which levels go to which receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Name of the receiver.
    pub receiver: String,
    /// Levels it carries; `None`: Notice and Alert.
    pub levels: Option<Vec<Level>>,
}

impl Route {
    /// Whether it carries this level.
    #[must_use]
    pub fn carries(&self, level: Level) -> bool {
        level != Level::None && self.levels.as_ref().is_none_or(|levels| levels.contains(&level))
    }
}

/// What the keys `receivers` and `routes` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where messages go.
    pub receivers: Vec<Receiver>,
    /// Which go where; every route that fits is followed.
    pub routes: Vec<Route>,
}

impl Settings {
    /// Takes `receivers` and `routes` out of the root map. What is wrong is told and left out.
    #[must_use]
    pub fn take(root: &mut Map<'_>, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut names: Vec<(String, Value<'_>)> = Vec::new();
        let receivers = root.take("receivers", |value| {
            let items = bounded(value, RECEIVERS_MAX)?;
            Some(items.iter().filter_map(|item| receiver(item, env, &mut names)).collect::<Vec<_>>())
        });
        let routes = root.take("routes", |value| {
            let items = bounded(value, ROUTES_MAX)?;
            Some(items.iter().filter_map(|item| route(item, &names)).collect::<Vec<_>>())
        });
        let settings = Self { receivers: receivers.unwrap_or_default(), routes: routes.unwrap_or_default() };
        for (name, value) in &names {
            if !settings.routes.iter().any(|route| route.receiver == *name) {
                let remedy = format!("add `- {{ receiver: {name} }}` under `routes`");
                value.note("no route leads to this receiver", remedy);
            }
        }
        settings
    }

    /// Writes both keys with their effective values, secrets hidden.
    pub fn emit(&self, emitter: &mut Emitter) {
        emitter.list("receivers", &self.receivers, |e, receiver| {
            e.entry("name", &receiver.name);
            e.map("webhook", |e| emit_webhook(e, &receiver.webhook));
        });
        emitter.list("routes", &self.routes, |e, route| {
            e.entry("receiver", &route.receiver);
            let carried = [Level::Notice, Level::Alert].into_iter().filter(|level| route.carries(*level));
            e.raw("levels", &format!("[{}]", carried.map(Level::as_str).collect::<Vec<_>>().join(", ")));
        });
    }
}

fn emit_webhook(emitter: &mut Emitter, webhook: &Webhook) {
    emitter.entry("url", &webhook.url);
    if webhook.headers.is_empty() {
        emitter.raw("headers", "{}");
    } else {
        emitter.map("headers", |e| {
            for (name, secret) in &webhook.headers {
                e.entry(name, secret);
            }
        });
    }
    emitter.entry("timeout", decode::duration_text(webhook.timeout));
}

fn bounded<'a>(value: &Value<'a>, most: usize) -> Option<Vec<Value<'a>>> {
    let items = value.list()?;
    if items.len() > most {
        value.problem(format!("{} items, at most {most} are possible", items.len()), "leave some out");
        return None;
    }
    Some(items)
}

fn receiver<'a>(
    value: &Value<'a>,
    env: &dyn Fn(&str) -> Option<String>,
    names: &mut Vec<(String, Value<'a>)>,
) -> Option<Receiver> {
    let mut map = value.map()?;
    let name = map.require("name", "oncall", |value| {
        let name = decode::name(value)?;
        if names.iter().any(|(known, _)| *known == name) {
            value.problem(format!("a second receiver named \"{name}\""), "give each its own name");
            return None;
        }
        names.push((name.clone(), value.clone()));
        Some(name)
    });
    let webhook =
        map.require("webhook", "{ url: \"https://example.com/hook\" }", |value| webhook(value, env));
    map.finish();
    Some(Receiver { name: name?, webhook: webhook? })
}

fn webhook(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Webhook> {
    let mut map = value.map()?;
    let url = map.require("url", "\"https://example.com/hook\"", |value| endpoint(value, env));
    let headers = map.take("headers", |value| headers(value, env)).unwrap_or_default();
    let timeout = map.take("timeout", decode::duration_within(TIMEOUT_LEAST..=TIMEOUT_MOST));
    map.finish();
    Some(Webhook { url: url?, headers, timeout: timeout.unwrap_or(TIMEOUT_DEFAULT) })
}

fn endpoint(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Endpoint> {
    if !value.is_map() {
        return Some(Endpoint::new(decode::url(value)?, false));
    }
    let secret = decode::secret(env)(value)?;
    Some(Endpoint::new(decode::url_from(value, secret.expose(), false)?, true))
}

fn headers(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<BTreeMap<String, Secret>> {
    let entries = value.map()?.entries();
    if entries.len() > HEADERS_MAX {
        value.problem(
            format!("{} headers, at most {HEADERS_MAX} are possible", entries.len()),
            "leave some out",
        );
        return None;
    }
    let mut headers = BTreeMap::new();
    for (name, value) in entries {
        let Some(name) = header_name(name, &value) else { continue };
        let Some(secret) = decode::secret(env)(&value) else { continue };
        if HeaderValue::from_str(secret.expose()).is_err() {
            value.problem("not the value of a header", "write one line of printable ASCII characters");
        } else if headers.insert(name, secret).is_some() {
            value.problem("this header stands here twice", "keep one of them; case makes no difference");
        }
    }
    Some(headers)
}

fn header_name(name: &str, value: &Value<'_>) -> Option<String> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        value.problem("not the name of a header", "write it like Authorization");
        return None;
    };
    if HEADERS_TAKEN.contains(&parsed.as_str()) {
        value.problem("Hinomi sets this header itself", "leave it out");
        return None;
    }
    Some(parsed.as_str().to_owned())
}

fn route(value: &Value<'_>, receivers: &[(String, Value<'_>)]) -> Option<Route> {
    let mut map = value.map()?;
    let receiver = map.require("receiver", "oncall", |value| known_receiver(value, receivers));
    let levels = map.take("levels", levels);
    map.finish();
    Some(Route { receiver: receiver?, levels })
}

fn known_receiver(value: &Value<'_>, receivers: &[(String, Value<'_>)]) -> Option<String> {
    let name = decode::name(value)?;
    if receivers.iter().any(|(known, _)| *known == name) {
        return Some(name);
    }
    let remedy = match closest(&name, receivers.iter().map(|(known, _)| known.as_str())) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "add it under `receivers`".to_owned(),
    };
    value.problem(format!("no receiver named \"{name}\""), remedy);
    None
}

fn levels(value: &Value<'_>) -> Option<Vec<Level>> {
    let items = value.list()?;
    if items.is_empty() {
        value.problem("a route without levels carries nothing", "leave `levels` out for notice and alert");
        return None;
    }
    let word = decode::one_of(&[("none", Level::None), ("notice", Level::Notice), ("alert", Level::Alert)]);
    let mut levels = Vec::new();
    for item in &items {
        match word(item) {
            Some(Level::None) => {
                item.problem("nobody is told of the level none", "write notice, alert, or both");
            }
            Some(level) if !levels.contains(&level) => levels.push(level),
            Some(_) | None => {}
        }
    }
    Some(levels)
}
