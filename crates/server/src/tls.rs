//! The certificate that the API shows, read anew when its files change.
//!
//! Invariant: files that do not fit leave the certificate in force that did, and are tried again until they do.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
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
    /// The last look at others that could not be used.
    refused: Option<Refused>,
    /// What is wrong with them, once it is said.
    problem: Option<String>,
}

/// Files that can't be used (yet).
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    stamp: Stamp,
    reason: String,
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

    /// Takes what changed, if it fits. What does not is tried again at every look: not only the files can be at fault,
    /// but also rights, a mount or free file descriptors, and those leave the files as they were. Files are replaced one
    /// after the other, so a pair that does not fit is called wrong only when the next look finds the same; once.
    fn look(&self) {
        let inner = &self.0;
        let now = stamp(&inner.files);
        if now == inner.seen().used {
            let mut seen = inner.seen();
            (seen.refused, seen.problem) = (None, None);
            return;
        }
        // Not under the lock: a disk that hangs must not hold up `hinomi status`.
        let loaded = load(&inner.files);
        let mut seen = inner.seen();
        match loaded {
            Ok(config) => {
                *inner.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                *seen = Seen { used: now, refused: None, problem: None };
                tracing::info!(certificate = %inner.files.certificate.display(), "a new certificate is in force");
            }
            Err(reason) => {
                let refused = Some(Refused { stamp: now, reason });
                if seen.refused == refused {
                    seen.say(&inner.files);
                }
                seen.refused = refused;
            }
        }
    }

    /// How it is, for `hinomi status`.
    pub(crate) fn status(&self) -> CollectorStatus {
        let file = self.0.files.certificate.display();
        let problem = self.0.seen().problem.clone();
        let detail = match &problem {
            None => format!("the API shows the certificate of {file}"),
            Some(reason) => format!("the new certificate of {file} can't be used, the old one is: {reason}"),
        };
        CollectorStatus { name: "tls".to_owned(), ok: problem.is_none(), detail, facts: json!({}) }
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Says what is wrong, unless that is said.
    fn say(&mut self, files: &Files) {
        let Some(Refused { reason, .. }) = &self.refused else { return };
        if self.problem.as_ref() == Some(reason) {
            return;
        }
        tracing::warn!(
            certificate = %files.certificate.display(),
            "the new certificate can't be used, the old one stays in force: {reason}"
        );
        self.problem = Some(reason.clone());
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
    use hinomi_disk::Error as Disk;
    hinomi_disk::file::read_bounded(path, FILE_MAX_BYTES).map_err(|error| match error {
        Disk::Io { source, .. } => {
            format!("could not read {}: {source}{}", path.display(), remedy(&source))
        }
        Disk::Corrupt { .. } => {
            format!(
                "{} is longer than {FILE_MAX_BYTES} bytes, so it is no PEM file of a certificate or key",
                path.display()
            )
        }
        other => other.to_string(),
    })
}

/// What to do about a file that can't be read.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let the user that Hinomi runs as read it, and enter the folders above it"
        }
        io::ErrorKind::NotFound => "; put it there, or mend its path under `tls` in hinomi.yaml",
        io::ErrorKind::IsADirectory => "; name the file in it",
        _ => "",
    }
}

#[cfg(test)]
pub(crate) mod tests;
