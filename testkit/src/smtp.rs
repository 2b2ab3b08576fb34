//! A real SMTP server (PyPI `aiosmtpd`, put below the cache by `scripts/setup-test`) that misbehaves on demand.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;

const SERVER: &str = include_str!("smtp_server.py");
/// The environment that `scripts/setup-test` makes; the same name there.
const ENVIRONMENT: &str = "python/aiosmtpd-1.4.6/bin/python3";
const START: Duration = Duration::from_secs(20);
/// As many events are kept; more would be a test gone wild.
const KEPT_MAX: usize = 10_000;

/// How its connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    None,
    /// Plain until STARTTLS, which it insists on.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Envelope: sender.
    pub from: String,
    /// Envelope: recipients.
    pub to: Vec<String>,
    /// Head and body as they came.
    pub data: String,
    /// It came over TLS.
    pub tls: bool,
    /// Who logged in.
    pub login: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<Value>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    more: Condvar,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    orders: ChildStdin,
    shared: Arc<Shared>,
    port: u16,
    folder: tempfile::TempDir,
}

/// The Python that has `aiosmtpd`, or `None`: then the suite cannot run.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let own = std::env::current_exe().ok();
    let caches = [
        folder("HINOMI_CACHE"),
        folder("XDG_CACHE_HOME").map(|dir| dir.join("hinomi")),
        folder("HOME").map(|dir| dir.join(".cache/hinomi")),
        // A test's own program is at CACHE/target/PROFILE/deps/NAME.
        own.as_deref().and_then(|exe| exe.ancestors().nth(4)).map(Path::to_path_buf),
    ];
    caches.into_iter().flatten().map(|cache| cache.join(ENVIRONMENT)).find(|python| python.exists())
}

/// Why the suite cannot run without [`python`].
pub const MISSING: &str =
    "no Python environment with aiosmtpd; scripts/setup-test makes it, and needs PyPI for that";

impl Server {
    /// Listens on a free port of 127.0.0.1, of a network namespace if one is given. With `login`, a user name and a
    /// password, it takes nothing from others.
    ///
    /// # Errors
    ///
    /// When it does not start within 20 s.
    pub fn start(netns: Option<&Path>, tls: Tls, login: Option<(&str, &str)>) -> Result<Self> {
        let python = python().context(MISSING)?;
        let folder = tempfile::Builder::new().prefix("hinomi-smtp-").tempdir()?;
        let script = folder.path().join("server.py");
        std::fs::write(&script, SERVER)?;
        let mut command = match netns {
            None => Command::new(python),
            Some(netns) => {
                let mut inside =
                    Command::new(process::find_tool("nsenter").unwrap_or_else(|| "nsenter".into()));
                inside.arg(format!("--net={}", netns.display())).arg(python);
                inside
            }
        };
        command.arg(script);
        match tls {
            Tls::None => {}
            Tls::Starttls | Tls::Implicit => {
                certificate(folder.path())?;
                command.args(["--tls", if tls == Tls::Starttls { "starttls" } else { "implicit" }]);
                command.arg("--cert").arg(folder.path().join("cert.pem"));
                command.arg("--key").arg(folder.path().join("key.pem"));
            }
        }
        if let Some((user, password)) = login {
            command.args(["--user", user, "--password", password]);
        }
        let log = std::fs::File::create(folder.path().join("log"))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("start the SMTP server")?;
        let (orders, events) =
            (child.stdin.take().context("no stdin")?, child.stdout.take().context("no stdout")?);
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        std::thread::Builder::new().name("smtp-events".into()).spawn(move || {
            for line in BufReader::new(events).lines().map_while(Result::ok) {
                let mut seen = inner.seen();
                if seen.events.len() < KEPT_MAX {
                    seen.events.push(serde_json::from_str(&line).unwrap_or_default());
                }
                inner.more.notify_all();
            }
            inner.seen().ended = true;
            inner.more.notify_all();
        })?;
        let mut server = Self { child, orders, shared, port: 0, folder };
        let port = server.wait("its port", START, |event| event["port"].as_u64());
        let port = port.with_context(|| process::tail(&server.folder.path().join("log"), 20))?;
        server.port = u16::try_from(port)?;
        Ok(server)
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its certificate, which is its own root: for `localhost` and 127.0.0.1.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// What it says to the next mails, one each, the last for ever: `ok`, `hang`, or an answer like `451 4.3.0 later`.
    ///
    /// # Errors
    ///
    /// When it died.
    pub fn set_modes(&mut self, modes: &[&str]) -> Result<()> {
        let count = |seen: &Seen| seen.events.iter().filter(|event| event["mode"].is_string()).count();
        let before = count(&self.shared.seen());
        writeln!(self.orders, "{}", Value::from(modes.to_vec()))?;
        self.orders.flush()?;
        process::wait_for("word that it heard", START, || (count(&self.shared.seen()) > before).then_some(()))
    }

    /// Mails that were taken.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.seen().events.iter().filter_map(mail).collect()
    }

    /// The same, once there are `count` of them.
    ///
    /// # Errors
    ///
    /// When there are fewer within 10 s; an answer may be there before the word about its mail.
    pub fn wait_for_mails(&self, count: usize) -> Result<Vec<Mail>> {
        process::wait_for("mails", Duration::from_secs(10), || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        })
    }

    /// How many mails it did not take.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.shared.seen().events.iter().filter(|event| event["tried"].is_string()).count()
    }

    /// Waits for a mail that `wanted` returns something for.
    ///
    /// # Errors
    ///
    /// When none comes within `limit`.
    pub fn wait_for<T>(&self, limit: Duration, wanted: impl Fn(&Mail) -> Option<T>) -> Result<T> {
        self.wait("such mail", limit, |event| wanted(&mail(event)?))
    }

    fn wait<T>(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let end = Instant::now() + limit;
        let mut seen = self.shared.seen();
        loop {
            if let Some(found) = seen.events.iter().find_map(&wanted) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.ended {
                bail!("no {what} within {limit:?}; events: {:?}", seen.events);
            }
            let waited = self.shared.more.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Mail {
    /// A header's value, its lines joined.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
    }

    /// Head and body with quoted-printable and encoded words undone, by Python's own library.
    ///
    /// # Errors
    ///
    /// When it is no mail.
    pub fn decoded(&self) -> Result<String> {
        const DECODE: &str = "import sys, email, email.policy\n\
            mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
            print('Subject:', mail['subject'])\n\
            [print(part.get_content_type(), part.get_content(), sep='\\n') for part in mail.walk() \
            if not part.is_multipart()]";
        let mut child = Command::new(python().context(MISSING)?)
            .args(["-c", DECODE])
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no stdin")?.write_all(self.data.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("not a mail: {}", self.data);
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn mail(event: &Value) -> Option<Mail> {
    let mail = event.get("mail")?;
    let text = |key: &str| mail[key].as_str().map(str::to_owned);
    Some(Mail {
        from: text("from")?,
        to: mail["to"].as_array()?.iter().filter_map(|to| to.as_str().map(str::to_owned)).collect(),
        data: text("data")?,
        tls: mail["tls"] == true,
        login: text("login"),
    })
}

/// `cert.pem` and `key.pem`, good for two days.
fn certificate(folder: &Path) -> Result<()> {
    let config = folder.join("openssl.cnf");
    let text = "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\nCN = localhost\n[ext]\n\
                subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n";
    std::fs::write(&config, text)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let args =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", &path("openssl.cnf")];
    let files = ["-keyout", &path("key.pem"), "-out", &path("cert.pem")];
    process::run("openssl", &[args.as_slice(), files.as_slice()].concat()).map(drop)
}
