//! What every request passes before a handler sees it.
//!
//! # Invariants
//!
//! - The decision looks at the request's head only. The one body that is read is a login's, within two seconds and
//!   before it takes a place.
//! - Whatever works on a request holds a place, and callers from elsewhere leave places for this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use hinomi_pipeline::settings::Access;
use hinomi_words::Language;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::Error;
use crate::access::{Gate, Pass};
use crate::body::Holding;
use crate::language;

/// Longest URI, bytes.
pub(crate) const URI_MAX_BYTES: usize = 8 * 1024;
/// Requests that are answered at once, and of these from other machines.
const REQUESTS_MAX: Most = Most { all: 64, far: 48 };
/// Logins and logouts at once: whoever knows no token can take up no other place.
const LOGINS_MAX: Most = Most { all: 24, far: 16 };
/// Questions at once for whether a login is needed.
const ASKS_MAX: Most = Most { all: 24, far: 16 };
/// Writes at once: they take no place from whoever asks.
const WRITES_MAX: Most = Most { all: 64, far: 48 };
/// Questions about metrics at once, those included that wait for their turn (`metrics.query.concurrent`).
const QUERIES_MAX: Most = Most { all: 64, far: 48 };
/// Backups that are asked for at once; one of them is made.
const BACKUPS_MAX: Most = Most { all: 4, far: 2 };
/// Longest time in which a backup begins.
const BACKUP_TIME_MAX: Duration = Duration::from_secs(11 * 60);
/// Streams that are open at once.
const STREAMS_MAX: Most = Most { all: 32, far: 24 };
/// Longest time in which a login's body comes.
pub(crate) const LOGIN_TIME_MAX: Duration = Duration::from_secs(2);
/// Longest body of a login, bytes.
pub(crate) const LOGIN_MAX_BYTES: usize = 1024;
/// Longest time in which a form comes.
const FORM_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest form, bytes; a query may have as many.
pub(crate) const FORM_MAX_BYTES: usize = 1 << 20;
/// Longest time for an answer.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(15);
/// Longest time for an answer about metrics: what `metrics.query.timeout` may be, and the time to write it.
const QUERY_TIME_MAX: Duration = Duration::from_secs(11 * 60);
/// Longest body of a request that has one, bytes.
pub(crate) const BODY_MAX_BYTES: usize = 16 * 1024;
/// Longest part of a foreign header that an error repeats, characters.
const SHOWN_MAX_CHARS: usize = 100;

/// The one answer that never ends.
const STREAM: &str = "/api/hinomi/v1/stream";
/// Where a browser logs in, so where no token can be asked for.
const SESSION: &str = "/api/hinomi/v1/session";
/// Prometheus' API, but for [`WRITE`]: its questions have places and time of their own.
pub(crate) const PROMETHEUS: &str = "/api/v1/";
/// Questions that may come as a form: they change nothing.
const FORMS: [&str; 7] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/format_query",
    "/api/v1/parse_query",
];
/// What changes or copies what is stored; may come as a form.
const ADMIN: &str = "/api/v1/admin/tsdb/*";
/// Where samples come in; its handler bounds the body itself.
pub(crate) const WRITE: &str = "/api/v1/write";
/// Everything that is stored, as one archive: the copy for it takes as long as the disk does.
pub(crate) const BACKUP: &str = "/api/hinomi/v1/backup";
/// For whatever watches the process itself; they say nothing about what is watched.
const PROBES: [&str; 2] = ["/-/healthy", "/-/ready"];
/// Reading, which every other path knows.
const READ: &str = "GET, HEAD";
/// Reading, also by a form.
const FORM_METHODS: &str = "GET, HEAD, POST";
/// The type of bodies: a form of another site can't say it.
const JSON: &str = "application/json";
/// The type of forms.
const FORM: &str = "application/x-www-form-urlencoded";
/// Paths that know more than reading, `*` for one part, and what they know.
const METHODS: [(&str, &str); 5] = [
    (WRITE, "POST"),
    (BACKUP, "POST"),
    (ADMIN, "POST, PUT"),
    (SESSION, "GET, HEAD, POST, DELETE"),
    ("/api/hinomi/v1/receivers/*/test", "POST"),
];

/// On every answer: what a browser may do with it.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Counts the questions of a connection that are worked on: as long as there is one, nobody expects anything to move.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work(Arc<AtomicUsize>);

/// A question that is worked on, until it is dropped.
#[derive(Debug)]
struct AtWork(Work);

impl Work {
    fn begin(&self) -> AtWork {
        self.0.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Both ends of the connection that a request came by.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Who asks.
    pub(crate) address: SocketAddr,
    /// The address of this machine by which it was reached.
    pub(crate) local: SocketAddr,
    /// Whether the connection is TLS.
    pub(crate) tls: bool,
    /// Whether it comes from this machine; so does what a proxy or a forwarded port here passes on.
    pub(crate) near: bool,
    /// Whether somebody works for it.
    pub(crate) work: Work,
}

/// What the guard knows.
#[derive(Debug)]
pub(crate) struct Guard {
    own: Own,
    gate: Arc<Gate>,
    requests: Places,
    logins: Places,
    asks: Places,
    writes: Places,
    queries: Places,
    streams: Places,
    backups: Places,
}

/// How many at once.
#[derive(Clone, Copy, Debug)]
struct Most {
    all: usize,
    /// Of these from other machines.
    far: usize,
}

/// Places for one kind of request.
#[derive(Debug)]
struct Places {
    max: Most,
    all: Arc<Semaphore>,
    far: Arc<Semaphore>,
}

/// A place of a request. Work that goes on when nobody waits for it any more keeps it until its end.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    _one: Arc<OwnedSemaphorePermit>,
    _far: Option<Arc<OwnedSemaphorePermit>>,
}

impl Places {
    fn new(max: Most) -> Self {
        Self { max, all: Arc::new(Semaphore::new(max.all)), far: Arc::new(Semaphore::new(max.far)) }
    }

    fn take(&self, peer: &Peer) -> Result<Place, Error> {
        let take = |places: &Arc<Semaphore>, max| {
            Arc::clone(places).try_acquire_owned().map(Arc::new).map_err(|_| Error::Busy(max))
        };
        let far = if peer.near { None } else { Some(take(&self.far, self.max.far)?) };
        Ok(Place { _one: take(&self.all, self.max.all)?, _far: far })
    }
}

/// By which names and pages this Hinomi is reached, beside those of the connection itself.
#[derive(Debug, Default)]
struct Own {
    hosts: Vec<String>,
    /// Scheme, host and port of `public_url`.
    origin: Option<String>,
}

impl Own {
    fn new(access: &Access, public_url: Option<&Url>) -> Self {
        let public = public_url.and_then(Url::host_str).map(|host| bare(host).to_ascii_lowercase());
        Self {
            hosts: access.hosts.iter().cloned().chain(public).collect(),
            origin: public_url.map(|url| url.origin().ascii_serialization()),
        }
    }
}

impl Guard {
    pub(crate) fn new(access: &Access, public_url: Option<&Url>, gate: Gate) -> Arc<Self> {
        Arc::new(Self {
            own: Own::new(access, public_url),
            gate: Arc::new(gate),
            requests: Places::new(REQUESTS_MAX),
            logins: Places::new(LOGINS_MAX),
            asks: Places::new(ASKS_MAX),
            writes: Places::new(WRITES_MAX),
            queries: Places::new(QUERIES_MAX),
            streams: Places::new(STREAMS_MAX),
            backups: Places::new(BACKUPS_MAX),
        })
    }

    /// What lets the request in, where it needs something.
    fn admit(&self, parts: &Parts, peer: &Peer) -> Result<Option<Pass>, Error> {
        check(parts, peer, &self.own)?;
        if needs_token(parts.uri.path()) {
            self.gate.admit(&parts.headers, peer.near).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// The middleware. Handlers find the [`Peer`], the [`Gate`], what let them in ([`Pass`]), their [`Place`] and the
/// reader's language among the request's extensions.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = language::take(request.uri_mut());
    let path = request.uri().path();
    let (is_write, is_prometheus) = (path == WRITE, path.starts_with(PROMETHEUS));
    let language = asked.as_ref().ok().copied().flatten().unwrap_or(Language::En);
    let answer = guard.judge(request, asked, &peer, next).await;
    let mut response = answer.unwrap_or_else(|error| match () {
        () if is_write => error.remote_write(),
        () if is_prometheus => error.prometheus(),
        () => error.answer(language),
    });
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    /// A handler's answer, or why there is none.
    async fn judge(
        &self,
        request: Request,
        language: Result<Option<Language>, Error>,
        peer: &Peer,
        next: Next,
    ) -> Result<Response, Error> {
        let (mut parts, body) = request.into_parts();
        let pass = self.admit(&parts, peer)?;
        if let Some(language) = language? {
            parts.extensions.insert(language);
        }
        if let Some(pass) = pass {
            parts.extensions.insert(pass);
        }
        parts.extensions.insert(peer.clone());
        parts.extensions.insert(Arc::clone(&self.gate));
        if parts.uri.path() == STREAM {
            return self.open(Request::from_parts(parts, body), peer, next).await;
        }
        if parts.uri.path() == BACKUP {
            return self.back_up(Request::from_parts(parts, body), peer, next).await;
        }
        if asks_metrics(parts.uri.path()) {
            return self.query(Request::from_parts(parts, body), peer, next).await;
        }
        let (places, body) = match (parts.uri.path(), &parts.method) {
            (SESSION, &Method::POST) => {
                (&self.logins, whole(body, peer, (LOGIN_MAX_BYTES, LOGIN_TIME_MAX)).await?)
            }
            (SESSION, &Method::DELETE) => (&self.logins, body),
            (SESSION, _) => (&self.asks, body),
            (WRITE, _) => (&self.writes, body),
            _ => (&self.requests, body),
        };
        let place = places.take(peer)?;
        parts.extensions.insert(place.clone());
        let answer = next.run(Request::from_parts(parts, body));
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, answer).await;
        drop(place);
        answer.map_err(|_| Error::TooSlow(REQUEST_TIME_MAX))
    }

    /// A question about metrics, whose form is read here; its handler has a deadline of its own.
    async fn query(&self, request: Request, peer: &Peer, next: Next) -> Result<Response, Error> {
        let place = self.queries.take(peer)?;
        let (mut parts, body) = request.into_parts();
        let body = match parts.method {
            Method::GET | Method::HEAD => body,
            _ => whole(body, peer, (FORM_MAX_BYTES, FORM_TIME_MAX)).await?,
        };
        parts.extensions.insert(place.clone());
        let _working = peer.work.begin();
        let answer = next.run(Request::from_parts(parts, body));
        let answer = tokio::time::timeout(QUERY_TIME_MAX, answer).await;
        let answer = answer.map_err(|_| Error::TooSlow(QUERY_TIME_MAX))?;
        // Whoever does not take his answer takes up a place with it.
        Ok(answer.map(|body| Holding::over(body, place)))
    }

    /// A backup: the time is that to its first byte.
    async fn back_up(&self, request: Request, peer: &Peer, next: Next) -> Result<Response, Error> {
        let _place = self.backups.take(peer)?;
        let _working = peer.work.begin();
        let answer = tokio::time::timeout(BACKUP_TIME_MAX, next.run(request)).await;
        answer.map_err(|_| Error::TooSlow(BACKUP_TIME_MAX))
    }

    /// A stream, whose body holds the place until its end.
    async fn open(&self, request: Request, peer: &Peer, next: Next) -> Result<Response, Error> {
        let place = self.streams.take(peer)?;
        let hold = move |frame| {
            let _held = &place;
            frame
        };
        Ok(next.run(request).await.map(|body| Body::new(body.map_frame(hold))))
    }
}

/// A body, whole. Whoever sends a login slowly, or not at all, takes nobody's place meanwhile.
async fn whole(body: Body, peer: &Peer, (bytes_max, time_max): (usize, Duration)) -> Result<Body, Error> {
    let read = tokio::time::timeout(time_max, axum::body::to_bytes(body, bytes_max));
    let Ok(read) = read.await else {
        tracing::debug!(from = %peer.address.ip(), "a request whose body did not come");
        return Err(Error::SlowBody(time_max));
    };
    read.map(Body::from).map_err(|_| Error::Body(bytes_max))
}

/// Whether a path is one of those that ask about metrics.
fn asks_metrics(path: &str) -> bool {
    path.starts_with(PROMETHEUS) && path != WRITE
}

/// Whether a path is data, as opposed to the page that shows it. All that is neither lies at the page's fallback.
pub(crate) fn is_data(path: &str) -> bool {
    path == "/api"
        || path.starts_with("/api/")
        || path == "/-"
        || path.starts_with("/-/")
        || path == "/metrics"
}

fn needs_token(path: &str) -> bool {
    is_data(path) && path != SESSION && !PROBES.contains(&path)
}

fn check(parts: &Parts, peer: &Peer, own: &Own) -> Result<(), Error> {
    let uri_bytes = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if uri_bytes > URI_MAX_BYTES {
        return Err(Error::UriTooLong(uri_bytes));
    }
    let host = host(parts, peer, own)?;
    origin(&parts.headers, &host, peer, own)?;
    let path = parts.uri.path();
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    // A question that is too long for an address comes as a form, and changes as little.
    site(parts, reads || FORMS.contains(&path))?;
    let known = methods(path);
    if !known.split(", ").any(|method| method == parts.method.as_str()) {
        return Err(Error::Method { method: shown(parts.method.as_str()), known });
    }
    match () {
        () if path == WRITE => Ok(()),
        () if reads => body(&parts.headers, 0, JSON),
        () if FORMS.contains(&path) || fits(ADMIN, path) => body(&parts.headers, FORM_MAX_BYTES, FORM),
        () => body(&parts.headers, BODY_MAX_BYTES, JSON),
    }
}

/// What a path knows, as `Allow` says it.
fn methods(path: &str) -> &'static str {
    if FORMS.contains(&path) {
        return FORM_METHODS;
    }
    METHODS.iter().find(|(pattern, _)| fits(pattern, path)).map_or(READ, |(_, methods)| methods)
}

/// Whether a path is one of those that a pattern describes, `*` for one part.
fn fits(pattern: &str, path: &str) -> bool {
    path.split('/').count() == pattern.split('/').count()
        && path.split('/').zip(pattern.split('/')).all(|(part, want)| want == "*" || part == want)
}

/// A name that somebody else's DNS answers for (rebinding) is refused: the browser believes that such a name and this
/// API are one site.
fn host(parts: &Parts, peer: &Peer, own: &Own) -> Result<Authority, Error> {
    let text = single(&parts.headers, &header::HOST).ok_or_else(|| Error::Host("(none)".to_owned()))?;
    let authority: Authority = text.parse().map_err(|_| Error::Host(shown(text)))?;
    let named = |name: &Authority| names_this_machine(name, peer, own);
    if !named(&authority) || parts.uri.authority().is_some_and(|name| !named(name)) {
        return Err(Error::Host(shown(text)));
    }
    Ok(authority)
}

/// By host alone: a forwarded port (`ssh -L`) is another number and still this machine. An address in digits is right if
/// the connection came in by it, whichever interface has it; nobody's DNS stands between.
fn names_this_machine(authority: &Authority, peer: &Peer, own: &Own) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = bare(authority.host());
    let listed = |text: &str| own.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(text));
    match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => ip.is_loopback() || ip == peer.local.ip().to_canonical() || listed(&ip.to_string()),
        Err(_) => host.eq_ignore_ascii_case("localhost") || listed(host),
    }
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn origin(headers: &HeaderMap, host: &Authority, peer: &Peer, own: &Own) -> Result<(), Error> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let text = single(headers, &header::ORIGIN).unwrap_or("(unreadable)");
    let scheme = if peer.tls { "https://" } else { "http://" };
    let same = text.strip_prefix(scheme).is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()));
    let public = own.origin.as_deref().is_some_and(|origin| origin.eq_ignore_ascii_case(text));
    if same || public { Ok(()) } else { Err(Error::Origin(shown(text))) }
}

/// What the browser says about the page that asks. Another site's page may lead a person to Hinomi's page, and nothing
/// else; what changes something must say its origin. Programs send none of these headers.
fn site(parts: &Parts, reads: bool) -> Result<(), Error> {
    let is = |name: &'static str, want: &str| {
        single(&parts.headers, &HeaderName::from_static(name)).is_some_and(|value| value == want)
    };
    let from_browser = parts.headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    if !from_browser {
        return Ok(());
    }
    if !reads && !parts.headers.contains_key(header::ORIGIN) {
        return Err(Error::Origin("(none)".to_owned()));
    }
    let own = is("sec-fetch-site", "same-origin") || (reads && is("sec-fetch-site", "none"));
    let visits = reads
        && !is_data(parts.uri.path())
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document");
    if own || visits || !parts.headers.contains_key("sec-fetch-site") { Ok(()) } else { Err(Error::Site) }
}

fn body(headers: &HeaderMap, limit: usize, kind: &'static str) -> Result<(), Error> {
    let length = match headers.get(header::CONTENT_LENGTH) {
        None => 0,
        Some(length) => {
            let length = length.to_str().ok().and_then(|text| text.parse::<usize>().ok());
            length.ok_or(Error::Body(limit))?
        }
    };
    // Without a length nothing is known of it.
    if headers.contains_key(header::TRANSFER_ENCODING) || length > limit {
        return Err(Error::Body(limit));
    }
    let fits = single(headers, &header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|found| found.trim().eq_ignore_ascii_case(kind));
    match length > 0 && !fits {
        true if kind == FORM => Err(Error::NoForm),
        true => Err(Error::MediaType),
        false => Ok(()),
    }
}

/// The header's value, if it is there exactly once and readable.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests;
