//! Listening and answering until shutdown.

use std::net::SocketAddr;
use std::time::Duration;

use hinomi_base::task::Shutdown;
use hinomi_pipeline::Handle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Error;
use crate::connection::Bounded;
use crate::guard::Guard;
use crate::routes::{Context, router};

/// How long answers under way may take after the signal to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Whether the pipeline runs, as `/-/ready` tells it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ready(watch::Receiver<bool>);

/// What sets [`Ready`] (at first: not ready), and the view of it.
#[must_use]
pub fn ready() -> (watch::Sender<bool>, Ready) {
    let (sender, receiver) = watch::channel(false);
    (sender, Ready(receiver))
}

impl Ready {
    pub(crate) fn is_ready(&self) -> bool {
        *self.0.borrow()
    }
}

/// What the server is built from.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whom to ask.
    pub handle: Handle,
    /// Whether the pipeline runs.
    pub ready: Ready,
}

/// A server that has its port.
#[derive(Debug)]
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    context: Context,
}

impl Service {
    /// Takes the address. Port 0 takes any free one; [`Service::address`] tells which.
    ///
    /// # Errors
    ///
    /// When the address can't be had; the message names it and the remedy.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let Options { listen, handle, ready } = options;
        let failed = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, context: Context { handle, ready } })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until shutdown; then answers under way get a second to end.
    ///
    /// # Errors
    ///
    /// When listening ends by itself.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let router = router(self.context, Guard::new(self.address));
        let stop = |mut shutdown: Shutdown| async move { shutdown.wait().await };
        let serving =
            axum::serve(Bounded::new(self.listener), router).with_graceful_shutdown(stop(shutdown.clone()));
        let give_up = async {
            stop(shutdown).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            ended = serving.into_future() => {
                ended.map_err(|source| Error::Serve { address: self.address, source })
            }
            () = give_up => Ok(()),
        }
    }
}
