//! Errors of the API, and the one place where they become a status code.

use std::net::SocketAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_model::ErrorKind;
use hinomi_words::{Language, translate_json};
use serde_json::json;

/// What can go wrong while listening or answering.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can't be had.
    #[error("cannot listen on {address}: {source}; {}", remedy(*.address, .source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Listening ended.
    #[error("the API at {address} ended: {source}")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The pipeline could not answer.
    #[error(transparent)]
    Pipeline(#[from] hinomi_pipeline::Error),
    /// A parameter is wrong.
    #[error("{0}")]
    Parameter(String),
    /// No such path.
    #[error("there is nothing at {0}; /api/hinomi/v1/openapi.yaml lists all paths")]
    NoSuchPath(String),
    /// The path does not know the method.
    #[error("{method} is not possible here; this path knows {known}")]
    Method {
        /// What was asked.
        method: String,
        /// What is possible, as `Allow` says it.
        known: &'static str,
    },
    /// The address line is too long.
    #[error("the request's URI is {0} bytes long; at most {max} are taken", max = crate::guard::URI_MAX_BYTES)]
    UriTooLong(usize),
    /// A body where none is of use, one that is too long, or one of unknown length.
    #[error("the body is longer than the {0} bytes that are taken here, or does not say its length")]
    Body(usize),
    /// A body that does not come.
    #[error("the body did not come within {0:?}; send it at once")]
    SlowBody(std::time::Duration),
    /// A body that is not JSON.
    #[error("the body must be JSON, with `Content-Type: application/json`")]
    MediaType,
    /// A body that is no form.
    #[error("the body must be a form, with `Content-Type: application/x-www-form-urlencoded`")]
    NoForm,
    /// `Host` does not name this machine.
    #[error(
        "the request names the host {0}, by which Hinomi does not know itself; reach it by its listen address, or list \
         the name under `access: {{ hosts: [NAME] }}` or as `public_url` in hinomi.yaml"
    )]
    Host(String),
    /// `Origin` is another site.
    #[error(
        "the request comes from a page of {0}; only pages of Hinomi itself may ask it (behind a proxy with TLS, set \
         `public_url` in hinomi.yaml)"
    )]
    Origin(String),
    /// The browser says that another site's page asks.
    #[error("the request comes from a page of another site; only pages of Hinomi itself may ask it")]
    Site,
    /// Neither token nor session.
    #[error(
        "this Hinomi asks for its token: send `Authorization: Bearer TOKEN`, give the commands --token-file or \
         HINOMI_TOKEN, or log in on the page"
    )]
    NoToken,
    /// Not the token.
    #[error("the token is wrong; it is the one that Hinomi was started with")]
    WrongToken,
    /// A wrong token, after too many of them.
    #[error(
        "the token is wrong, and so were too many before it; a wrong one is looked at again in {0} s, the right one at \
         any time"
    )]
    Guessing(u64),
    /// Certificate or key can't be used.
    #[error("cannot use certificate {} and key {}: {reason}", certificate.display(), key.display())]
    Tls {
        /// The certificate's file.
        certificate: std::path::PathBuf,
        /// The key's file.
        key: std::path::PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Too many at once.
    #[error("{0} of these are being answered already; try again")]
    Busy(usize),
    /// It took too long.
    #[error("the answer was not ready within {0:?}; ask for less at once")]
    TooSlow(std::time::Duration),
    /// The pipeline does not run (yet, or any more).
    #[error("the pipeline is not running; if this stays so, see the log of Hinomi")]
    NotReady,
    /// A handler died.
    #[error("the answer could not be made: {0}; this is a bug in Hinomi, and its log says more")]
    Died(String),
}

fn remedy(address: SocketAddr, error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::AddrInUse => {
            "another program (perhaps another Hinomi) uses the port: stop it, or set `listen` in hinomi.yaml, or --listen"
        }
        Io::PermissionDenied if address.port() < 1024 => "ports below 1024 are root's: choose a higher one",
        Io::AddrNotAvailable => {
            "this machine has no such address: choose a loopback address such as 127.0.0.1:8119"
        }
        _ => "choose another address: `listen` in hinomi.yaml, or --listen",
    }
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Listen { .. } | Self::Serve { .. } | Self::TooSlow(_) | Self::NotReady => {
                ErrorKind::Unavailable
            }
            Self::Pipeline(error) => error.kind(),
            Self::Parameter(_)
            | Self::Method { .. }
            | Self::UriTooLong(_)
            | Self::Body(_)
            | Self::SlowBody(_)
            | Self::MediaType
            | Self::NoForm
            | Self::Tls { .. } => ErrorKind::Invalid,
            Self::NoSuchPath(_) => ErrorKind::NotFound,
            Self::NoToken | Self::WrongToken => ErrorKind::Unauthorized,
            Self::Host(_) | Self::Origin(_) | Self::Site => ErrorKind::Forbidden,
            Self::Busy(_) | Self::Guessing(_) => ErrorKind::Limited,
            Self::Died(_) => ErrorKind::Internal,
        }
    }

    /// The status code: by kind, but where HTTP has a code of its own for the very thing.
    fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::UriTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::Body(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType | Self::NoForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            other => match other.kind() {
                ErrorKind::Invalid => StatusCode::BAD_REQUEST,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Limited => StatusCode::TOO_MANY_REQUESTS,
                ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
                ErrorKind::Forbidden => StatusCode::FORBIDDEN,
                ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

/// A kind as the API writes it.
fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "invalid",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Limited => "limited",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Internal => "internal",
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.answer(Language::En)
    }
}

impl Error {
    /// As an answer, its message in the language.
    pub(crate) fn answer(self, language: Language) -> Response {
        let mut body = json!({ "error": { "kind": word(self.kind()), "message": self.to_string() } });
        translate_json(&mut body, language);
        self.with_headers((self.status(), axum::Json(body)).into_response())
    }

    /// As an answer of Prometheus' API.
    pub(crate) fn prometheus(self) -> Response {
        let response =
            crate::prometheus::failure::of_guard(self.status(), word(self.kind()), &self.to_string());
        self.with_headers(response)
    }

    /// As an answer to remote write, whose senders log the text and look at the status and at `Retry-After`.
    pub(crate) fn remote_write(self) -> Response {
        let refusal = crate::prometheus::write::Refusal(self.status(), self.to_string());
        self.with_headers(refusal.into_response())
    }

    /// Says what else there is to say.
    fn with_headers(&self, mut response: Response) -> Response {
        let status = response.status();
        if status.is_server_error() {
            tracing::warn!(error = %self, status = status.as_u16(), "a request failed");
        }
        let header = match self {
            Self::Method { known, .. } => Some((header::ALLOW, HeaderValue::from_static(known))),
            Self::Busy(_) | Self::NotReady => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            Self::Guessing(seconds) => Some((header::RETRY_AFTER, HeaderValue::from(*seconds))),
            Self::NoToken | Self::WrongToken => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hinomi\"")))
            }
            _ => None,
        };
        response.headers_mut().extend(header);
        response
    }
}
