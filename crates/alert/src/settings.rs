//! Receivers and routes as the user writes them.
//!
//! Invariants: receiver names are unique; a receiver is reached in exactly one way; every route leads to a receiver that
//! exists; no route carries the level none.

mod email;
mod heartbeat;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hinomi_config::emit::Emitter;
use hinomi_config::{Map, Secret, Value, closest, decode};
use hinomi_model::Level;
use hinomi_words::Language;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

pub(crate) use email::certificates;
pub use email::{Email, Security, Smtp};
pub use heartbeat::{Heartbeat, HeartbeatTarget};

/// How long one HTTP try may take when nothing else is written.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_LEAST: Duration = Duration::from_millis(100);
const TIMEOUT_MOST: Duration = Duration::from_secs(60);
/// Longest name of a channel, characters.
const CHANNEL_MAX_CHARS: usize = 80;
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
    /// What its messages are written in.
    pub language: Language,
    /// How it is reached.
    pub way: Way,
}

/// How a receiver is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// HTTP POST of JSON for programs.
    Webhook(Webhook),
    /// A chat by an incoming webhook as Slack has it.
    Slack(Slack),
    /// Mail.
    Email(Box<Email>),
}

impl Way {
    /// In one word, as the configuration names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Email(_) => "email",
        }
    }

    /// Host of the URL, or host and port of the mail server: what may be shown.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.url.host(),
            Self::Slack(slack) => slack.url.host(),
            Self::Email(email) => email.smtp.address(),
        }
    }

    /// How long one try may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Webhook(webhook) => webhook.timeout,
            Self::Slack(slack) => slack.timeout,
            Self::Email(email) => email.timeout,
        }
    }

    fn emit(&self, emitter: &mut Emitter) {
        emitter.map(self.kind(), |e| match self {
            Self::Webhook(webhook) => emit_webhook(e, webhook),
            Self::Slack(slack) => emit_slack(e, slack),
            Self::Email(email) => email.emit(e),
        });
    }
}

/// An incoming webhook as Slack has it; Mattermost and Rocket.Chat have the same (`docs/formats/slack-and-email.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    /// Where to; a secret as a whole.
    pub url: Endpoint,
    /// Another channel than the webhook's own, where the chat allows it.
    pub channel: Option<String>,
    /// How long one try may take, from connecting to the end of the answer.
    pub timeout: Duration,
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
            e.entry("language", receiver.language.code());
            receiver.way.emit(e);
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

fn emit_slack(emitter: &mut Emitter, slack: &Slack) {
    emitter.entry("url", &slack.url);
    if let Some(channel) = &slack.channel {
        emitter.entry("channel", channel);
    }
    emitter.entry("timeout", decode::duration_text(slack.timeout));
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
    let language = map.take("language", language).unwrap_or_default();
    let way = way(&mut map, env);
    map.finish();
    Some(Receiver { name: name?, language, way: way? })
}

fn language(value: &Value<'_>) -> Option<Language> {
    decode::one_of(&Language::ALL.map(|language| (language.code(), language)))(value)
}

/// Exactly one of the ways; all that are written are checked.
fn way(map: &mut Map<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Way> {
    let mut written = Vec::new();
    let webhook = map.take("webhook", |value| {
        written.push("webhook");
        webhook(value, env)
    });
    let slack = map.take("slack", |value| {
        written.push("slack");
        slack(value, env)
    });
    let email = map.take("email", |value| {
        written.push("email");
        email::email(value, env)
    });
    match written.as_slice() {
        [] => map.value().problem(
            "it does not say how this receiver is reached",
            "add `webhook: { url: \"https://example.com/hook\" }`, or `slack: …`, or `email: …`",
        ),
        [_] => {}
        several => map.value().problem(
            format!("{} ways to reach one receiver: {}", several.len(), several.join(", ")),
            "keep one of them, and give each other its own receiver and route",
        ),
    }
    let email = email.map(|email| Way::Email(Box::new(email)));
    webhook.map(Way::Webhook).or(slack.map(Way::Slack)).or(email)
}

fn slack(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Slack> {
    let mut map = value.map()?;
    let url = map.require("url", "{ file: /etc/hinomi/slack-url }", |value| {
        let secret = decode::secret(env)(value)?;
        Some(Endpoint::new(decode::url_from(value, secret.expose(), false)?, true))
    });
    let channel = map.take("channel", |value| {
        let channel = decode::string(value)?;
        let fits = !channel.is_empty() && channel.chars().count() <= CHANNEL_MAX_CHARS;
        if fits && !channel.chars().any(char::is_control) {
            return Some(channel);
        }
        value.problem("not the name of a channel", "write it like \"#alerts\"");
        None
    });
    let timeout = map.take("timeout", timeout);
    map.finish();
    Some(Slack { url: url?, channel, timeout: timeout.unwrap_or(TIMEOUT_DEFAULT) })
}

/// How long one try may take.
fn timeout(value: &Value<'_>) -> Option<Duration> {
    decode::duration_within(TIMEOUT_LEAST..=TIMEOUT_MOST)(value)
}

fn webhook(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Webhook> {
    let mut map = value.map()?;
    let url = map.require("url", "\"https://example.com/hook\"", |value| endpoint(value, env));
    let headers = map.take("headers", |value| headers(value, env)).unwrap_or_default();
    let timeout = map.take("timeout", timeout);
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
