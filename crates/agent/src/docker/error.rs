//! What can go wrong between Hinomi and a Docker Engine, and what a person can do about it.

use std::time::Duration;

use hinomi_model::ErrorKind;

use super::client::Address;
use super::status::State;

/// A call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured address is none.
    #[error("docker host `{0}` is no address: write unix:///path/to/docker.sock or tcp://host:port")]
    Address(String),
    /// No socket there.
    #[error("no docker socket at {0}: start docker, or set the docker host to where it listens")]
    Missing(String),
    /// No right to the socket.
    #[error(
        "no permission to use {0}: run hinomi as root or as a member of the socket's group (usually `docker`), \
         or mount the socket readable for it"
    )]
    Forbidden(String),
    /// A socket, but nobody listens.
    #[error("nobody listens on {0}: the docker daemon is down; start it (systemctl start docker)")]
    Refused(String),
    /// Systemd holds the socket for a daemon that does not run.
    #[error("docker is installed but not running; Hinomi does not start it: systemctl start docker")]
    NotRunning,
    /// Systemd holds the socket of a daemon that serves it no more.
    #[error("docker is stopping; if it does not come back: systemctl start docker")]
    Stopping,
    /// The connection could not be made for another reason.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// Where to.
        address: String,
        /// Why not.
        error: std::io::Error,
    },
    /// No answer in time.
    #[error("docker did not answer {what} within {after:?}: the daemon (or what it waits for) hangs")]
    Hung {
        /// Which call.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The engine refused.
    #[error("docker answered {what} with {status}: {message}")]
    Api {
        /// Which call.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its text, redacted.
        message: String,
    },
    /// The connection broke.
    #[error("connection to docker broke at {what}: {error}")]
    Http {
        /// Which call.
        what: String,
        /// Why.
        error: String,
    },
    /// The answer is not what it should be.
    #[error("docker's answer to {what} cannot be read: {error}; is this a docker engine?")]
    Decode {
        /// Which call.
        what: String,
        /// Why.
        error: String,
    },
    /// The answer is longer than any sane one.
    #[error("docker's answer to {what} is longer than {limit} bytes: refused")]
    TooBig {
        /// Which call.
        what: String,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// What the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_) => ErrorKind::Invalid,
            Self::Forbidden(_) | Self::Api { status: 401 | 403, .. } => ErrorKind::Forbidden,
            Self::Api { status: 404, .. } => ErrorKind::NotFound,
            Self::TooBig { .. } => ErrorKind::Limited,
            Self::Missing(_)
            | Self::Refused(_)
            | Self::NotRunning
            | Self::Stopping
            | Self::Connect { .. }
            | Self::Hung { .. }
            | Self::Api { .. }
            | Self::Http { .. }
            | Self::Decode { .. } => ErrorKind::Unavailable,
        }
    }

    pub(crate) fn connect(address: &Address, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        match (error.kind(), address) {
            (Io::NotFound, Address::Unix(_)) => Self::Missing(address.to_string()),
            (Io::PermissionDenied, _) => Self::Forbidden(address.to_string()),
            (Io::ConnectionRefused, _) => Self::Refused(address.to_string()),
            _ => Self::Connect { address: address.to_string(), error },
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Api { status: 404, .. })
    }

    pub(crate) fn state(&self) -> State {
        match self {
            Self::Address(_) => State::Misconfigured,
            Self::Missing(_) => State::Missing,
            Self::Forbidden(_) | Self::Api { status: 401 | 403, .. } => State::Forbidden,
            Self::Refused(_) | Self::NotRunning | Self::Stopping => State::Refused,
            Self::Hung { .. } => State::Hung,
            _ => State::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_errors_name_cause_and_remedy() {
        use std::io::{Error as IoError, ErrorKind as Io};
        let socket = Address::Unix("/run/d.sock".into());
        let table = [
            (Io::NotFound, State::Missing, ErrorKind::Unavailable, "start docker"),
            (Io::PermissionDenied, State::Forbidden, ErrorKind::Forbidden, "member of the socket's group"),
            (Io::ConnectionRefused, State::Refused, ErrorKind::Unavailable, "daemon is down"),
            (Io::TimedOut, State::Waiting, ErrorKind::Unavailable, "cannot connect"),
        ];
        for (io, state, kind, text) in table {
            let error = Error::connect(&socket, IoError::from(io));
            assert_eq!((error.state(), error.kind()), (state, kind), "{io:?}");
            let message = error.to_string();
            assert!(message.contains(text) && message.contains("/run/d.sock"), "{message}");
        }
    }
}
