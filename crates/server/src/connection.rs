//! Connections: a bounded number of them, and none that idles for ever.
//!
//! Invariant: whoever connects and says nothing, or says it a byte at a time, is let go; and whoever comes from elsewhere
//! leaves places for this machine, and never keeps it from connecting.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;

use crate::guard::{Peer, Work};
use crate::tls::Tls;

/// Connections at once, also those that only begin; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// Of these, from other machines; one more is closed at once.
const FAR_MAX: usize = 192;
/// TLS handshakes with other machines at once; one more is closed at once. This machine's have no limit of their own.
const FAR_HANDSHAKES_MAX: usize = 64;
/// Longest time for a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// A connection is closed when for so long nothing moves, or a request is not complete and answered. Longer than any
/// answer may take, but for questions about metrics, while which it does not run.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Pause after a failed accept: most often no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// First byte of every TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// What a browser is told that speaks HTTP here.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: begin the address with https://\n";

/// A listener that hands out [`Connection`]s.
#[derive(Debug)]
pub(crate) struct Bounded {
    listener: TcpListener,
    tls: Option<Tls>,
    places: Arc<Semaphore>,
    far: Arc<Semaphore>,
    far_handshakes: Arc<Semaphore>,
    handshakes: JoinSet<Option<(Connection, Peer)>>,
    is_near: fn(IpAddr) -> bool,
}

impl Bounded {
    pub(crate) fn new(listener: TcpListener, tls: Option<Tls>) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count));
        Self {
            listener,
            tls,
            places: places(CONNECTIONS_MAX),
            far: places(FAR_MAX),
            far_handshakes: places(FAR_HANDSHAKES_MAX),
            handshakes: JoinSet::new(),
            is_near: |ip| ip.to_canonical().is_loopback(),
        }
    }

    /// As [`Bounded::new`], with another notion of who is near: tests have no other machine.
    #[cfg(test)]
    pub(crate) fn with_near(listener: TcpListener, tls: Option<Tls>, is_near: fn(IpAddr) -> bool) -> Self {
        Self { is_near, ..Self::new(listener, tls) }
    }

    /// Begins with whoever connected; `None` if that is all for now: somebody's handshake is under way, or there is no
    /// place for whoever comes from elsewhere.
    fn begin(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> Option<(Connection, Peer)> {
        // A connection that is gone already has no address.
        let local = stream.local_addr().ok()?;
        let (tls, near) = (self.tls.is_some(), (self.is_near)(address.ip()));
        let peer = Peer { address, local, tls, near, work: Work::default() };
        let places = Places { _one: place, _far: far_place(&self.far, &peer).ok()? };
        let Some(tls) = self.tls.clone() else {
            return Some((Connection::new(Stream::Plain(stream), places, peer.work.clone()), peer));
        };
        let shaking = far_place(&self.far_handshakes, &peer).ok()?;
        self.handshakes.spawn(async move {
            let _held = shaking;
            Some((shake_hands(stream, places, tls, peer.work.clone()).await?, peer))
        });
        None
    }
}

/// A place among those of callers from elsewhere; callers of this machine need none. `Err`: there is none.
fn far_place(places: &Arc<Semaphore>, peer: &Peer) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
    if peer.near { Ok(None) } else { Arc::clone(places).try_acquire_owned().map(Some) }
}

/// What a connection holds until its end.
#[derive(Debug)]
struct Places {
    _one: OwnedSemaphorePermit,
    _far: Option<OwnedSemaphorePermit>,
}

/// The next one to connect, with its place. Dropped before its end it takes nothing.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                tracing::debug!(%error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(ready)) = done {
                        return ready;
                    }
                }
                (stream, address, place) = next(&self.listener, &self.places) => {
                    if let Some(ready) = self.begin(stream, address, place) {
                        return ready;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        let local = self.listener.local_addr()?;
        Ok(Peer { address: local, local, tls: self.tls.is_some(), near: true, work: Work::default() })
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        stream.remote_addr().clone()
    }
}

async fn shake_hands(stream: TcpStream, places: Places, tls: Tls, work: Work) -> Option<Connection> {
    let shaken = async {
        let mut first = [0];
        stream.peek(&mut first).await.ok()?;
        if first != [TLS_HANDSHAKE] {
            turn_away(stream).await;
            return None;
        }
        tls.acceptor()
            .accept(stream)
            .await
            .inspect_err(|error| tracing::debug!(%error, "TLS handshake failed"))
            .ok()
    };
    let stream = timeout(HANDSHAKE_MAX, shaken).await.ok()??;
    Some(Connection::new(Stream::Tls(Box::new(stream)), places, work))
}

/// Says why, and reads what was sent, so that the answer is not lost to a reset.
async fn turn_away(mut stream: TcpStream) {
    let told = async {
        stream.write_all(SPEAKS_TLS).await?;
        stream.shutdown().await?;
        (&mut stream).take(16 << 10).read_to_end(&mut Vec::new()).await
    };
    if let Err(error) = told.await {
        tracing::debug!(%error, "somebody who speaks no TLS is gone");
    }
}

/// With TLS or without.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls a method of whichever stream it is.
macro_rules! either {
    ($connection:ident . $method:ident ( $($argument:expr),* )) => {
        match &mut $connection.stream {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

/// A connection with its place among all and its idle deadline.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    idle: Pin<Box<Sleep>>,
    /// A request has begun, and nothing of its answer is sent.
    asking: bool,
    work: Work,
    _places: Places,
}

impl Connection {
    fn new(stream: Stream, places: Places, work: Work) -> Self {
        Self { stream, idle: Box::pin(sleep(IDLE_MAX)), asking: false, work, _places: places }
    }

    /// What is sent puts the deadline off, and so does the begin of a request; more of the same request does not.
    fn bounded<T>(
        &mut self,
        cx: &mut Context<'_>,
        asking: bool,
        moved: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if moved.is_pending() {
            ready!(self.idle.as_mut().poll(cx));
            if !self.work.is_under_way() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // What is worked on has a deadline of its own.
            self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
            return self.idle.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        if !asking || !self.asking {
            self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
        }
        self.asking = asking;
        moved
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = either!(self.poll_read(cx, buf));
        self.bounded(cx, true, moved)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let moved = either!(self.poll_write(cx, buf));
        self.bounded(cx, false, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = either!(self.poll_write_vectored(cx, bufs));
        self.bounded(cx, false, moved)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hinomi_pipeline::settings::Tls as Files;
    use tokio::net::TcpSocket;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;

    /// A connection and its other end.
    async fn pair() -> io::Result<(Connection, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let mut bounded = Bounded::new(listener, None);
        let (connection, peer) = bounded.accept().await;
        assert_eq!(peer.address, client.local_addr()?);
        assert_eq!(peer.local, client.peer_addr()?);
        Ok((connection, client))
    }

    /// Reads until the end, and says after how many seconds it came and how.
    async fn outlived(mut connection: Connection) -> (u64, Option<io::ErrorKind>) {
        let begin = Instant::now();
        let ended = connection.read_to_end(&mut Vec::new()).await;
        (begin.elapsed().as_secs(), ended.err().map(|error| error.kind()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_a_byte_at_a_time_is_let_go() -> io::Result<()> {
        let (connection, mut client) = pair().await?;
        let ended = tokio::spawn(outlived(connection));
        for _ in 0..20 {
            let _closed = client.write_all(b"G").await;
            sleep(Duration::from_secs(7)).await;
        }
        assert_eq!(ended.await?, (IDLE_MAX.as_secs(), Some(io::ErrorKind::TimedOut)));
        let (connection, _client) = pair().await?;
        assert_eq!(outlived(connection).await, (IDLE_MAX.as_secs(), Some(io::ErrorKind::TimedOut)), "silent");
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_answered_may_ask_again() -> io::Result<()> {
        let (mut connection, mut client) = pair().await?;
        let mut byte = [0];
        for _ in 0..5 {
            client.write_all(b"G").await?;
            connection.read_exact(&mut byte).await?;
            sleep(IDLE_MAX - Duration::from_secs(1)).await;
            connection.write_all(b"A").await?;
            client.read_exact(&mut byte).await?;
        }
        drop(client);
        assert_eq!(outlived(connection).await.1, None);
        Ok(())
    }

    /// In these tests 127.0.0.2 is another machine.
    fn is_near(ip: IpAddr) -> bool {
        ip != IpAddr::from([127, 0, 0, 2])
    }

    async fn connect(from: [u8; 4], to: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect(to).await
    }

    #[test]
    fn who_is_near() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let bounded = runtime.block_on(async {
            Ok::<_, io::Error>(Bounded::new(TcpListener::bind("127.0.0.1:0").await?, None))
        })?;
        let table = [
            ("127.0.0.1", true),
            ("127.3.2.1", true),
            ("::ffff:127.0.0.1", true),
            ("::1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("fe80::1", false),
        ];
        for (ip, near) in table {
            assert_eq!((bounded.is_near)(ip.parse().map_err(io::Error::other)?), near, "{ip}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn callers_from_elsewhere_leave_places() -> io::Result<()> {
        let mut bounded = Bounded::with_near(TcpListener::bind("127.0.0.1:0").await?, None, is_near);
        let at = bounded.listener.local_addr()?;
        let mut held = Vec::new();
        for _ in 0..FAR_MAX {
            let far = connect([127, 0, 0, 2], at).await?;
            let (connection, peer) = bounded.accept().await;
            assert!(!peer.near);
            held.push((far, connection));
        }
        let mut surplus = connect([127, 0, 0, 2], at).await?;
        let _near = connect([127, 0, 0, 1], at).await?;
        let (_connection, peer) = bounded.accept().await;
        assert!(peer.near, "the surplus one gets nothing");
        assert_eq!(surplus.read(&mut [0]).await?, 0, "it is closed");
        held.pop();
        let _far = connect([127, 0, 0, 2], at).await?;
        assert!(!bounded.accept().await.1.near);
        Ok(())
    }

    /// A handshake, as `localhost`, of somebody who trusts this very certificate.
    async fn shake(stream: TcpStream, files: &Files) -> io::Result<()> {
        let certificate = CertificateDer::from_pem_file(&files.certificate).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map(drop)
    }

    #[tokio::test]
    async fn silent_handshakes_from_elsewhere_stop_nobody_here() -> io::Result<()> {
        const SILENT: usize = 160;
        let folder = tempfile::tempdir()?;
        let files = crate::tls::tests::write(folder.path())?;
        let tls = Tls::open(files.clone()).map_err(io::Error::other)?;
        let mut bounded = Bounded::with_near(TcpListener::bind("127.0.0.1:0").await?, Some(tls), is_near);
        let at = bounded.listener.local_addr()?;
        let begin = Instant::now();
        let clients = async {
            let mut silent = Vec::new();
            for _ in 0..SILENT {
                silent.push(connect([127, 0, 0, 2], at).await?);
            }
            // Silent ones of this machine have no limit of their own.
            for _ in 0..40 {
                silent.push(connect([127, 0, 0, 1], at).await?);
            }
            for _ in 0..2 {
                shake(connect([127, 0, 0, 1], at).await?, &files).await?;
            }
            io::Result::Ok(silent)
        };
        let server = async { [bounded.accept().await.1.near, bounded.accept().await.1.near] };
        let (near, silent) =
            timeout(Duration::from_secs(10), async { tokio::join!(server, clients) }).await?;
        assert_eq!(near, [true, true]);
        let mut silent = silent?;
        let mut closed = 0;
        for stream in &mut silent {
            let end = timeout(Duration::from_millis(1), stream.read(&mut [0])).await;
            closed += usize::from(matches!(end, Ok(Ok(0))));
        }
        assert_eq!(closed, SILENT - FAR_HANDSHAKES_MAX, "closed at once");
        assert!(begin.elapsed() < HANDSHAKE_MAX, "the test is too slow to tell: {:?}", begin.elapsed());
        Ok(())
    }
}
