//! Named tasks and threads, and the one shutdown signal.

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Tells every part to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Raises the [`Shutdown`] signal.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// A trigger and the signal it raises.
#[must_use]
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Everybody stops.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns when the signal is raised (or its trigger is gone).
    pub async fn wait(&mut self) {
        let _closed = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether it is raised already.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }
}

/// Spawns a task whose panic or end is logged under its name.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        let task = tokio::spawn(future);
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!(task = name, %error, "task died; this is a bug in Hinomi");
        }
    })
}

/// Spawns a named thread.
///
/// # Errors
///
/// When the system refuses another thread.
pub fn spawn_thread<F, T>(name: &str, body: F) -> std::io::Result<std::thread::JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}
