//! TLS by files: new certificates, broken ones, and whoever speaks no TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::running::{Running, start_with};

/// A certificate for `localhost` and its key, in the files that the server watches.
fn write(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

async fn start(folder: &Path) -> Running {
    let folder = folder.display();
    start_with(&format!(
        "listen: 127.0.0.1:0\ntls: {{ certificate: {folder}/cert.pem, key: {folder}/key.pem }}\n"
    ))
    .await
}

/// A connection of somebody who trusts only this certificate.
async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, TcpStream::connect(address).await?).await
}

async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path());
    let running = start(folder.path()).await;
    let at = running.address;
    let mut old = connect(at, &first).await.unwrap();
    assert!(ask(&mut old, "/-/ready").await.ends_with("ready\n"));
    let tls = || running.handle.status().collectors.into_iter().find(|one| one.name == "tls").unwrap();
    assert!(tls().ok, "{}", tls().detail);

    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let begin = Instant::now();
    while tls().ok {
        assert!(begin.elapsed() < Duration::from_secs(20), "the broken key is not said");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(tls().detail.contains("key.pem"), "{}", tls().detail);
    connect(at, &first).await.unwrap();

    let second = write(folder.path());
    let begin = Instant::now();
    while connect(at, &second).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(connect(at, &first).await.is_err(), "the old one is not used any more");
    assert!(tls().ok, "{}", tls().detail);
    assert!(ask(&mut old, "/-/ready").await.ends_with("ready\n"), "the old connection lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_no_tls_or_nothing_at_all_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write(folder.path());
    let running = start(folder.path()).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let plain = crate::running::get(running.address, "/").await;
    assert_eq!(plain.status, 400);
    assert!(plain.body.contains("https://"), "{}", plain.body);
    let mut stream = connect(running.address, &certificate).await.unwrap();
    assert!(ask(&mut stream, "/-/ready").await.ends_with("ready\n"));
    // The silent ones are let go in the end.
    let mut bytes = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(15), silent[0].read_to_end(&mut bytes)).await;
    assert!(closed.is_ok() && bytes.is_empty(), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_certificate_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let other = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.path().join("key.pem"), other.serialize_pem()).unwrap();
    let running = crate::running::start().await;
    let files = hinomi_pipeline::settings::Tls {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    let settings = hinomi_pipeline::settings::Settings {
        tls: Some(files),
        ..hinomi_pipeline::settings::Settings::default()
    };
    let (_set, ready) = hinomi_server::ready();
    let options = hinomi_server::Options::new(&settings, running.handle.clone(), ready);
    let error = hinomi_server::Service::bind(options).await.expect_err("they do not fit").to_string();
    assert!(
        error.contains("cert.pem") && error.contains("key.pem") && error.contains("the key must be"),
        "{error}"
    );
}
