//! The real binary beyond loopback's habits: token, TLS, and how its commands get in.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hinomi_testkit::process;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const TOKEN: &str = "correct-horse-battery";

fn hinomi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hinomi"));
    for name in ["HINOMI_SERVER", "HINOMI_TOKEN", "HINOMI_DATA_DIR", "HINOMI_LOG", "RUST_LOG", "DOCKER_HOST"]
    {
        command.env_remove(name);
    }
    command.env("HINOMI_CONFIG", folder.join("hinomi.yaml"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A root and a certificate of it for `hinomi.test`, in files.
fn certificates(folder: &Path) -> Result {
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["hinomi.test".to_owned()])?.signed_by(&key, &root)?;
    std::fs::write(folder.join("root.pem"), root.pem())?;
    std::fs::write(folder.join("cert.pem"), certificate.pem())?;
    std::fs::write(folder.join("key.pem"), key.serialize_pem())?;
    std::fs::write(folder.join("token"), format!("{TOKEN}\n"))?;
    Ok(())
}

/// A `hinomi server` with token and TLS that the configuration names.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Server {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        certificates(folder.path())?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = folder.path().display();
        let config = format!(
            "listen: 127.0.0.1:{port}\npublic_url: https://hinomi.test\naccess: {{ token: {{ file: {at}/token }} }}\n\
             tls: {{ certificate: {at}/cert.pem, key: {at}/key.pem }}\n"
        );
        std::fs::write(folder.path().join("hinomi.yaml"), config)?;
        let child = hinomi(folder.path())
            .arg("server")
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .stdout(std::fs::File::create(folder.path().join("out"))?)
            .stderr(std::fs::File::create(folder.path().join("err"))?)
            .spawn()?;
        let server = Self { child, folder, port };
        let out = server.folder.path().join("out");
        let seen = process::wait_for("the start screen", Duration::from_secs(20), || {
            std::fs::read_to_string(&out).unwrap_or_default().contains("Next").then_some(())
        });
        let log = std::fs::read_to_string(server.folder.path().join("err")).unwrap_or_default();
        seen.map_err(|error| format!("{error:#}: {log}"))?;
        Ok(server)
    }

    /// `hinomi status ARGS…`, and what it said.
    fn status(&self, args: &[&str], env: &[(&str, &str)]) -> Result<(Option<i32>, String)> {
        let mut command = hinomi(self.folder.path());
        command.arg("status").args(args).envs(env.iter().copied());
        let output: Output = command.output()?;
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
    }
}

#[test]
fn commands_find_their_way_in() -> Result {
    let server = Server::start()?;
    let path = |name: &str| server.folder.path().join(name).display().to_string();
    let (root, token) = (path("root.pem"), path("token"));
    let screen = std::fs::read_to_string(server.folder.path().join("out"))?;
    assert!(screen.contains("https://hinomi.test (asks for the token)"), "{screen}");
    assert!(!screen.contains(TOKEN), "{screen}");

    let (code, said) = server.status(&["--ca-file", &root], &[])?;
    assert_eq!(code, Some(0), "as the configuration says: {said}");
    let (code, said) = server.status(&[], &[])?;
    assert!(code == Some(1) && said.contains("--ca-file"), "{code:?} {said}");
    // Somebody who may not read the configuration names everything.
    let nobody = [("HINOMI_CONFIG", "/nonexistent/hinomi.yaml")];
    let address = format!("https://127.0.0.1:{}", server.port);
    let (code, said) =
        server.status(&["--ca-file", &root, "--server", &address, "--token-file", &token], &nobody)?;
    assert!(code == Some(1) && said.contains("certificate"), "it is for another name: {code:?} {said}");
    let plain = format!("http://127.0.0.1:{}", server.port);
    let (code, said) = server.status(&["--server", &plain, "--token-file", &token], &nobody)?;
    assert!(code == Some(2) && said.contains("speaks HTTPS"), "{code:?} {said}");
    Ok(())
}

#[test]
fn a_token_is_asked_for_and_told_how_to_give() -> Result {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("token"), format!("{TOKEN}\n"))?;
    std::fs::write(folder.path().join("hinomi.yaml"), "host: { name: box }\n")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let token = folder.path().join("token").display().to_string();
    let mut child = hinomi(folder.path())
        .args(["server", "--listen", &format!("127.0.0.1:{port}"), "--token-file", &token, "--data-dir"])
        .arg(folder.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let server = format!("http://127.0.0.1:{port}");
    let ask = |args: &[&str], token: Option<&str>| -> Result<(Option<i32>, String)> {
        let mut command = hinomi(folder.path());
        command.args(["status", "--server", &server]).args(args);
        command.envs(token.map(|token| ("HINOMI_TOKEN", token)));
        let output = command.output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let tried = (|| -> Result {
        process::wait_for("an answer", Duration::from_secs(20), || {
            ask(&["--token-file", &token], None).ok().filter(|(code, _)| *code == Some(0))
        })?;
        let (code, said) = ask(&[], None)?;
        assert!(code == Some(1) && said.contains("--token-file") && said.contains("HINOMI_TOKEN"), "{said}");
        assert_eq!(ask(&[], Some(TOKEN))?, (Some(0), String::new()));
        let (code, said) = ask(&[], Some("another-horse-battery"))?;
        assert!(code == Some(1) && said.contains("wrong") && !said.contains("another"), "{said}");
        Ok(())
    })();
    child.kill()?;
    child.wait()?;
    tried
}

#[test]
fn beyond_loopback_only_with_a_token() -> Result {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("hinomi.yaml"), "host: { name: box }\n")?;
    std::fs::write(folder.path().join("short"), "secret\n")?;
    let short = folder.path().join("short").display().to_string();
    let table: [(&[&str], &str); 3] = [
        (&["--listen", "0.0.0.0:0"], "head -c 24 /dev/urandom | base64"),
        (&["--listen", "0.0.0.0:0", "--token-file", &short], "shorter than 16 characters"),
        (&["--tls-cert", "/a.pem"], "--tls-key"),
    ];
    for (args, want) in table {
        let data = folder.path().join("data");
        let output = hinomi(folder.path()).arg("server").args(args).arg("--data-dir").arg(&data).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(want) && !said.contains("secret"), "{args:?}: {said}");
        assert!(!data.exists(), "{args:?}: nothing was made");
    }
    Ok(())
}
