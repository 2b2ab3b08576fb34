//! Bodies of answers that hold something until they are sent: memory, and a place.
//!
//! Invariant: what is held is given back when the last piece is sent or the connection is gone, whichever comes first,
//! and a body that is taken too slowly ends its connection.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hinomi_base::budget::Share;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// A body is handed over in pieces of this: the connection holds few of them at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Longest time for sending an answer. Whoever takes nothing at all is let go sooner.
pub(crate) const SEND_TIME_MAX: Duration = Duration::from_secs(5 * 60);

/// Bytes and the memory that was drawn for them.
struct Drawn {
    bytes: Vec<u8>,
    _share: Option<Share>,
}

impl AsRef<[u8]> for Drawn {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body of bytes that gives back their memory when the last of them is sent.
pub(crate) fn drawn(bytes: Vec<u8>, share: Option<Share>) -> Body {
    Body::new(Pieces(Bytes::from_owner(Drawn { bytes, _share: share })))
}

/// What is not handed over yet.
struct Pieces(Bytes);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.0.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.0.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }
}

/// A body that holds something until its end.
pub(crate) struct Holding<T> {
    body: Body,
    _held: T,
    /// When it has to be sent.
    until: Instant,
}

impl<T: Unpin + Send + 'static> Holding<T> {
    /// `body`, with what it holds.
    pub(crate) fn over(body: Body, held: T) -> Body {
        Body::new(Self { body, _held: held, until: Instant::now() + SEND_TIME_MAX })
    }
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(axum::Error::new(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            )))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use hinomi_base::budget::Budget;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_given_back_with_the_last_piece() {
        let budget = Budget::new(1 << 20);
        let bytes = vec![b'a'; 3 * PIECE_BYTES];
        let mut body = Holding::over(drawn(bytes, budget.take(200_000)), ());
        assert_eq!(body.size_hint().exact(), Some(196_608));
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(pieces.len(), 3);
        drop(body);
        pieces.truncate(1);
        assert_eq!(budget.used_bytes(), 200_000, "a piece is still on its way");
        pieces.clear();
        assert_eq!(budget.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_is_let_go() {
        let mut body = Holding::over(drawn(vec![b'a'; 3 * PIECE_BYTES], None), ());
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(SEND_TIME_MAX + Duration::from_secs(1)).await;
        assert!(body.frame().await.unwrap().is_err());
    }
}
