//! Listening and answering until shutdown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hinomi_base::task::Shutdown;
use hinomi_pipeline::Handle;
use hinomi_pipeline::settings::{Access, Settings, Tls as TlsFiles};
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use crate::Error;
use crate::access::Gate;
use crate::connection::Bounded;
use crate::guard::{Guard, Peer};
use crate::routes::{Context, router};
use crate::tls::Tls;

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
    /// Who may ask.
    pub access: Access,
    /// Certificate and key; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How people reach the page.
    pub public_url: Option<Url>,
    /// Folder of the file with the sessions of browsers.
    pub data_dir: PathBuf,
}

impl Options {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &Settings, handle: Handle, ready: Ready) -> Self {
        Self {
            listen: settings.listen,
            handle,
            ready,
            access: settings.access.clone(),
            tls: settings.tls.clone(),
            public_url: settings.public_url.clone(),
            data_dir: settings.data_dir.clone(),
        }
    }
}

/// A server that has its port.
#[derive(Debug)]
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    guard: Arc<Guard>,
    context: Context,
}

impl Service {
    /// Takes the address. Port 0 takes any free one; [`Service::address`] tells which.
    ///
    /// # Errors
    ///
    /// When the address can't be had or the certificate can't be used; the message names it and the remedy.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let Options { listen, handle, ready, access, tls, public_url, data_dir } = options;
        let tls = tls.map(Tls::open).transpose()?;
        if let Some(tls) = tls.clone() {
            handle.add_collector(move || tls.status());
        }
        let gate = Gate::new(access.token.as_ref(), &data_dir)?;
        let guard = Guard::new(&access, public_url.as_ref(), gate);
        let failed = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls, guard, context: Context { handle, ready, shutdown: None } })
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
        if let Some(tls) = self.tls.clone() {
            tokio::spawn(tls.follow(shutdown.clone()));
        }
        let context = Context { shutdown: Some(shutdown.clone()), ..self.context };
        let service = router(context, self.guard).into_make_service_with_connect_info::<Peer>();
        let stop = |mut shutdown: Shutdown| async move { shutdown.wait().await };
        let serving = axum::serve(Bounded::new(self.listener, self.tls), service)
            .with_graceful_shutdown(stop(shutdown.clone()));
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
