//! What goes wrong, in Prometheus' shape, and the one place where that becomes a status code.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_model::ErrorKind;
use hinomi_model::metrics::ReadError;
use hinomi_pipeline::Unanswered;
use hinomi_query::eval::{QueryError, QueryErrorKind};

use super::json::Json;

/// `errorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Unavailable,
    NotFound,
    Internal,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    kind: Kind,
    text: String,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // Nobody reads it: whoever asked is gone.
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(Kind::BadData, text)
    }

    /// Of a parameter, as Prometheus says it.
    pub(crate) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter \"{name}\": {why}"))
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let kind = match error.kind() {
            QueryErrorKind::BadData => Kind::BadData,
            QueryErrorKind::Execution => Kind::Execution,
            QueryErrorKind::Timeout => Kind::Timeout,
            QueryErrorKind::Canceled => Kind::Canceled,
            QueryErrorKind::Internal => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        QueryError::from(error).into()
    }
}

impl From<Unanswered> for Failure {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Query(error) => error.into(),
            Unanswered::Queue => Self::new(Kind::Timeout, error.to_string()),
            error => {
                let kind = match error.kind() {
                    ErrorKind::Invalid => Kind::BadData,
                    ErrorKind::Limited | ErrorKind::Unavailable => Kind::Unavailable,
                    ErrorKind::NotFound => Kind::NotFound,
                    _ => Kind::Internal,
                };
                Self::new(kind, error.to_string())
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.kind == Kind::Internal {
            tracing::warn!(error = %self.text, "a question about metrics failed");
        }
        answer(self.kind.status(), self.kind.word(), &self.text)
    }
}

/// An error of the guard in this API's shape: `word` is the kind as Hinomi's own API writes it.
pub(crate) fn of_guard(status: StatusCode, word: &str, text: &str) -> Response {
    let word = match word {
        "invalid" => "bad_data",
        "limited" => "unavailable",
        "corrupt" => "internal",
        other => other,
    };
    answer(status, word, text)
}

fn answer(status: StatusCode, kind: &str, text: &str) -> Response {
    let mut json = Json::default();
    json.raw("{\"status\":\"error\",\"errorType\":");
    json.text(kind);
    json.raw(",\"error\":");
    json.text(text);
    json.raw("}");
    let head = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, head, Body::from(json.into_bytes())).into_response()
}
