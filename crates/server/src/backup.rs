//! Backups: everything that is stored, as a stream.
//!
//! The copy is made where blocking is allowed; then a thread writes the archive into a channel of a few pieces, and the
//! connection takes them as fast as it can.
//!
//! Invariant: when the reader goes, stops taking, is logged out, or Hinomi ends, the thread ends and its copy is removed.

use std::io::{self, Write};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hinomi_base::task::Shutdown;
use hinomi_pipeline::backup::{Backup, Head};
use tokio::sync::mpsc;

use crate::Error;
use crate::access::Pass;
use crate::guard::Peer;
use crate::routes::Context;

/// Pieces, of a megabyte and a little at most, that wait for the connection.
const PIECES: usize = 2;

/// POST `/api/hinomi/v1/backup`.
pub(crate) async fn backup(
    State(context): State<Context>,
    Extension(pass): Extension<Pass>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, Error> {
    let from = peer.address.ip();
    let handle = context.handle;
    // Dropped when nobody waits for it any more, and the copy with it.
    let made = tokio::task::spawn_blocking(move || handle.back_up()).await;
    let backup = made.unwrap_or_else(|error| {
        Err(hinomi_pipeline::Error::Unavailable(format!("the copy could not be made: {error}")))
    })?;
    let head = backup.head().clone();
    tracing::info!(%from, files = head.files, bytes = head.bytes, "a backup is sent");
    let (pieces, taken) = mpsc::channel(PIECES);
    let out = Out { pieces: pieces.clone(), pass, shutdown: context.shutdown };
    tokio::task::spawn_blocking(move || send(backup, out, &pieces));
    let stream = unfold(taken, |mut taken| async move { Some((taken.recv().await?, taken)) });
    Ok((headers(&head), Body::from_stream(stream)).into_response())
}

fn send(backup: Backup, out: Out, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    let written = backup.write(out);
    // The copy goes first: behind the last piece the process may end at any time.
    drop(backup);
    match written {
        Ok(bytes) => tracing::info!(bytes, "a backup is complete"),
        Err(error) => {
            tracing::warn!(%error, "a backup was broken off");
            // What came so far must not look whole: this ends the connection.
            let _gone = pieces.blocking_send(Err(error));
        }
    }
}

fn headers(head: &Head) -> [(HeaderName, HeaderValue); 5] {
    let stamp: String = head.made_at.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let name = format!("attachment; filename=\"hinomi-{stamp}Z.tar.zst\"");
    let made_at = HeaderValue::from_str(&head.made_at);
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zstd")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
        ),
        (HeaderName::from_static("x-hinomi-files"), head.files.into()),
        (HeaderName::from_static("x-hinomi-bytes"), head.bytes.into()),
        (HeaderName::from_static("x-hinomi-made-at"), made_at.unwrap_or(HeaderValue::from_static(""))),
    ]
}

/// Where the archive is written to.
struct Out {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    pass: Pass,
    shutdown: Option<Shutdown>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shutdown.as_ref().is_some_and(Shutdown::is_raised) {
            return Err(io::Error::other("Hinomi ends"));
        }
        if !self.pass.holds() {
            return Err(io::Error::other("the session that asked for it is over"));
        }
        let sent = self.pieces.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it any more"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
