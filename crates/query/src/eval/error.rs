//! Why a query has no answer.

use hinomi_model::metrics::ReadError;

/// What kind of failure it is; decides the status code of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryErrorKind {
    /// The query or its parameters are wrong.
    BadData,
    /// The query is well formed, but cannot be evaluated on this data, or is over a limit.
    Execution,
    /// Its time was up.
    Timeout,
    /// Whoever asked went away.
    Canceled,
    /// The samples cannot be read.
    Internal,
}

impl QueryErrorKind {
    /// What Prometheus calls it in its API (`errorType`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
        }
    }
}

/// A query's failure, in Prometheus' words where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    kind: QueryErrorKind,
    message: String,
}

impl QueryError {
    /// A failure of a kind.
    pub(crate) fn new(kind: QueryErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The query or its parameters are wrong.
    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::BadData, message)
    }

    /// The query cannot be evaluated on this data.
    pub(crate) fn execution(message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::Execution, message)
    }

    /// Two series of a result have the same labels.
    pub(crate) fn same_labels() -> Self {
        Self::execution("vector cannot contain metrics with the same labelset")
    }

    /// More samples than the query may hold.
    pub(crate) fn too_many_samples() -> Self {
        Self::execution("query processing would load too many samples into memory in query execution")
    }

    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> QueryErrorKind {
        self.kind
    }
}

impl From<crate::ParseErrors> for QueryError {
    fn from(errors: crate::ParseErrors) -> Self {
        Self::bad_data(errors.to_string())
    }
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::Cancelled => {
                return Self::new(QueryErrorKind::Canceled, "query was canceled in expression evaluation");
            }
            ReadError::Deadline => {
                return Self::new(QueryErrorKind::Timeout, "query timed out in expression evaluation");
            }
            ReadError::TooManySeries(_) | ReadError::TooManySamples(_) | ReadError::Memory(_) => {
                QueryErrorKind::Execution
            }
            ReadError::Corrupt(_) | ReadError::Io(_) => QueryErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
