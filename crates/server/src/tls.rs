//! The certificate that the API shows, read anew when its files change.
//!
//! Invariant: files that do not fit leave the certificate in force that did.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hinomi_base::task::Shutdown;
use hinomi_pipeline::CollectorStatus;
use hinomi_pipeline::settings::Tls as Files;
use serde_json::json;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest file that is read, bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Certificates of one file at most.
const CHAIN_MAX: usize = 16;

/// The certificate in force. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    config: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Seen>,
}

/// What was last looked at.
#[derive(Debug)]
struct Seen {
    /// The files whose certificate is in force.
    used: Stamp,
    /// The files that do not fit, and whether that is said.
    refused: Option<(Stamp, bool)>,
    /// What is wrong with them.
    problem: Option<String>,
}

/// Modification time, size and inode of both files: what a replaced file changes.
type Stamp = [Option<(i64, i64, u64, u64)>; 2];

impl Tls {
    /// # Errors
    ///
    /// When the files can't be read or do not fit together.
    pub(crate) fn open(files: Files) -> Result<Self, Error> {
        // Before the files are read: what changes meanwhile is then seen at the next look.
        let used = stamp(&files);
        let config = load(&files).map_err(|reason| Error::Tls {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            reason,
        })?;
        let seen = Seen { used, refused: None, problem: None };
        Ok(Self(Arc::new(Inner { files, config: RwLock::new(config), seen: Mutex::new(seen) })))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Looks at the files until shutdown.
    pub(crate) async fn follow(self, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let tls = self.clone();
            let _died = tokio::task::spawn_blocking(move || tls.look()).await;
        }
    }

    /// Takes what changed, if it fits. Files are replaced one after the other, so a pair that does not fit is called
    /// wrong only when it is still the same at the next look.
    fn look(&self) {
        let inner = &self.0;
        let now = stamp(&inner.files);
        let mut seen = inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == seen.used {
            (seen.refused, seen.problem) = (None, None);
            return;
        }
        let again = seen.refused.as_ref().is_some_and(|(stamp, _)| *stamp == now);
        if again && seen.refused.as_ref().is_some_and(|(_, said)| *said) {
            return;
        }
        match load(&inner.files) {
            Ok(config) => {
                *inner.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                *seen = Seen { used: now, refused: None, problem: None };
                tracing::info!(certificate = %inner.files.certificate.display(), "a new certificate is in force");
            }
            Err(reason) => {
                if again {
                    tracing::warn!(
                        certificate = %inner.files.certificate.display(),
                        "the new certificate can't be used, the old one stays in force: {reason}"
                    );
                    seen.problem = Some(reason);
                }
                seen.refused = Some((now, again));
            }
        }
    }

    /// How it is, for `hinomi status`.
    pub(crate) fn status(&self) -> CollectorStatus {
        let file = self.0.files.certificate.display();
        let problem = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).problem.clone();
        let detail = match &problem {
            None => format!("the API shows the certificate of {file}"),
            Some(reason) => format!("the new certificate of {file} can't be used, the old one is: {reason}"),
        };
        CollectorStatus { name: "tls".to_owned(), ok: problem.is_none(), detail, facts: json!({}) }
    }
}

fn stamp(files: &Files) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let data = fs::metadata(path).ok()?;
        Some((data.mtime(), data.mtime_nsec(), data.size(), data.ino()))
    })
}

/// What is wrong and what to do, as an error.
fn load(files: &Files) -> Result<Arc<ServerConfig>, String> {
    let text = read(&files.certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .take(CHAIN_MAX)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} is no PEM file: {error}", files.certificate.display()))?;
    if chain.is_empty() {
        return Err(format!("there is no certificate in {}", files.certificate.display()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|error| format!("there is no private key in {}: {error}", files.key.display()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(|error| {
        format!("{error}; the key must be the one that the first certificate was made for")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    hinomi_disk::file::read_bounded(path, FILE_MAX_BYTES).map_err(|error| error.to_string())
}
