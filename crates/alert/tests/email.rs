//! Mail against a real SMTP server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may die as tests do")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hinomi_alert::notify::{Clients, End, Handle, Options, Outcome, test_message};
use hinomi_alert::settings::{Email, Receiver, Security, Smtp, Way};
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{ShutdownTrigger, shutdown, spawn_thread};
use hinomi_config::Secret;
use hinomi_model::{Message, Nanos};
use hinomi_testkit::smtp::{self, Server, Tls};
use hinomi_words::Language;
use tokio::sync::mpsc;

const PASSWORD: &str = "hunter2hunter2";
const SOON: Duration = Duration::from_secs(20);

/// Whether the suite can run; says so if not.
fn can_run() -> bool {
    if smtp::python().is_none() {
        hinomi_testkit::skip_suite("email", smtp::MISSING);
        return false;
    }
    true
}

fn email(port: u16, tls: Security, ca_file: Option<PathBuf>) -> Email {
    Email {
        to: vec!["On call <oncall@example.com>".parse().unwrap()],
        from: "Hinomi <hinomi@example.com>".parse().unwrap(),
        smtp: Smtp { host: "localhost".to_owned(), port, tls, login: None, ca_file },
        timeout: Duration::from_secs(10),
    }
}

fn login(email: &mut Email, password: &str) {
    email.smtp.login = Some(("hinomi".to_owned(), Secret::new(password)));
}

/// A running sender with short pauses.
struct Sender {
    handle: Handle,
    outcomes: mpsc::Receiver<Outcome>,
    _trigger: ShutdownTrigger,
}

impl Sender {
    fn start(email: Email, language: Language) -> Self {
        let way = Way::Email(Box::new(email));
        let mut options = Options::new(Receiver { name: "oncall".to_owned(), language, way });
        options.backoff_first = Duration::from_millis(10);
        options.backoff_most = Duration::from_millis(40);
        options.tries_when_refused = 3;
        let (sender, outcomes) = mpsc::channel(16);
        let (service, handle) = options.build(Clients::new(), Clock::system(), &Counters::default(), sender);
        let (trigger, signal) = shutdown();
        tokio::spawn(service.run(signal));
        Self { handle, outcomes, _trigger: trigger }
    }

    async fn outcome(&mut self) -> Outcome {
        let outcome = tokio::time::timeout(SOON, self.outcomes.recv()).await;
        outcome.unwrap_or_else(|_| panic!("no outcome: {:?}", self.handle.status())).unwrap()
    }

    async fn gave_up(&mut self) -> String {
        match self.outcome().await.end {
            End::GaveUp { why } => why,
            End::Accepted => panic!("accepted"),
        }
    }

    /// The first error that is noted.
    async fn error(&self) -> String {
        let begin = Instant::now();
        loop {
            if let Some(error) = self.handle.status().last_error {
                return error;
            }
            assert!(begin.elapsed() < SOON, "no error");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn message(sequence: u32) -> Message {
    Message {
        receiver: "oncall".to_owned(),
        incident: "i-a93be07c15d4826f".to_owned(),
        sequence,
        queued_at: Nanos(Clock::system().now()),
        body: serde_json::json!({
            "status": "firing", "level": "alert", "cause": "web reached its memory limit of 64 MiB; nobody restarts it",
            "resource": { "cluster": "web-1", "name": "web" }, "started": "2026-11-24T03:00:00.000Z",
            "healer": { "name": "nobody" }, "url": "http://127.0.0.1:8119/findings/f-1",
        }),
    }
}

#[tokio::test]
async fn every_way_to_a_server_and_a_login() {
    if !can_run() {
        return;
    }
    for (tls, security) in [
        (Tls::Starttls, Security::Starttls),
        (Tls::Implicit, Security::Implicit),
        (Tls::None, Security::None),
    ] {
        let server = Server::start(None, tls, Some(("hinomi", PASSWORD))).unwrap();
        let ca_file = (tls != Tls::None).then(|| server.ca_file());
        let mut email = email(server.port(), security, ca_file);
        login(&mut email, PASSWORD);
        let mut sender = Sender::start(email, Language::En);
        sender.handle.offer(message(1)).unwrap();
        let outcome = sender.outcome().await;
        assert_eq!((outcome.end, outcome.tries, outcome.last_error), (End::Accepted, 1, None), "{tls:?}");
        let mails = server.wait_for_mails(1).unwrap();
        let [mail] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!((mail.tls, mail.login.as_deref()), (tls != Tls::None, Some("hinomi")));
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("hinomi@example.com", ["oncall@example.com".to_owned()].as_slice())
        );
        assert_eq!(
            mail.header("Subject").unwrap(),
            "[Alert] web: reached its memory limit of 64 MiB; nobody restarts it"
        );
        assert_eq!(mail.header("Message-ID").unwrap(), "<i-a93be07c15d4826f.1.e08e3922b6868f90@example.com>");
        assert!(mail.header("Auto-Submitted").is_some());
        let status = sender.handle.status();
        assert_eq!((status.kind, status.url_host), ("email", format!("localhost:{}", server.port())));
    }
}

#[tokio::test]
async fn japanese_arrives_as_japanese() {
    if !can_run() {
        return;
    }
    let server = Server::start(None, Tls::None, None).unwrap();
    let mut sender = Sender::start(email(server.port(), Security::None, None), Language::Ja);
    let told = sender
        .handle
        .test(&test_message("oncall", "web-1", "http://127.0.0.1:8119", Nanos(1)))
        .await
        .unwrap();
    assert!(told.accepted && told.detail.contains("250"), "{told:?}");
    sender.handle.offer(message(1)).unwrap();
    assert_eq!(sender.outcome().await.end, End::Accepted);
    let mails = server.wait_for_mails(2).unwrap();
    let [test, alert] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(
        test.decoded().unwrap().starts_with("Subject: [テスト (Test)] web-1: これは Hinomi のテスト通知です")
    );
    let decoded = alert.decoded().unwrap();
    assert!(decoded.starts_with("Subject: [緊急 (Alert)] web: "), "{decoded}");
    for words in ["text/plain", "text/html", "自動では修復されません", "http://127.0.0.1:8119/findings/f-1"]
    {
        assert!(decoded.contains(words), "no {words}: {decoded}");
    }
}

#[tokio::test]
async fn later_is_tried_again_and_no_is_given_up_and_the_next_goes_on() {
    if !can_run() {
        return;
    }
    let mut server = Server::start(None, Tls::None, None).unwrap();
    server.set_modes(&["451 4.3.0 not now", "451 4.3.0 not now", "ok"]).unwrap();
    let mut sender = Sender::start(email(server.port(), Security::None, None), Language::En);
    sender.handle.offer(message(1)).unwrap();
    let outcome = sender.outcome().await;
    assert_eq!((outcome.end, outcome.tries), (End::Accepted, 3));
    let why = outcome.last_error.unwrap();
    assert_eq!(why, format!("localhost:{} does not take the mail: 451 4.3.0 not now", server.port()));
    server.set_modes(&["550 5.7.1 no such thing here", "550 5.7.1 no", "550 5.7.1 no", "ok"]).unwrap();
    sender.handle.offer(message(2)).unwrap();
    sender.handle.offer(message(3)).unwrap();
    assert!(sender.gave_up().await.ends_with("550 5.7.1 no"));
    assert_eq!(sender.outcome().await.end, End::Accepted);
    let keys: Vec<_> =
        server.wait_for_mails(2).unwrap().iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    assert_eq!(
        keys,
        [
            "<i-a93be07c15d4826f.1.e08e3922b6868f90@example.com>",
            "<i-a93be07c15d4826f.3.e08e3922b6868f90@example.com>"
        ]
    );
    assert_eq!(server.refused(), 5);
}

#[tokio::test]
async fn one_wrong_address_holds_back_nobody() {
    if !can_run() {
        return;
    }
    let server = Server::start(None, Tls::None, None).unwrap();
    let mut to_three = email(server.port(), Security::None, None);
    for address in ["gone@example.com", "busy@example.com"] {
        to_three.to.push(address.parse().unwrap());
    }
    let sender = Sender::start(to_three, Language::En);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.error().await;
    assert!(why.contains("busy@example.com") && why.contains("451 4.2.1 mailbox busy"), "{why}");
    // Tried again for the busy one only.
    while sender.handle.trying().is_none_or(|trying| trying.tries < 3) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mails = server.wait_for_mails(1).unwrap();
    assert_eq!(mails.len(), 1, "who has it gets it no second time");
    assert_eq!(mails[0].to, ["oncall@example.com"]);

    let mut to_nobody = email(server.port(), Security::None, None);
    to_nobody.to = vec!["gone@example.com".parse().unwrap()];
    let mut sender = Sender::start(to_nobody, Language::En);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.gave_up().await;
    assert!(why.ends_with("does not take gone@example.com: 550 5.1.1 no such user"), "{why}");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    if !can_run() {
        return;
    }
    let server = Server::start(None, Tls::Starttls, Some(("hinomi", PASSWORD))).unwrap();
    let mut wrong = email(server.port(), Security::Starttls, Some(server.ca_file()));
    login(&mut wrong, "secretpw-secretpw");
    let mut sender = Sender::start(wrong, Language::En);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.gave_up().await;
    assert!(why.contains("does not take the user name and password: 535"), "{why}");
    let shown = format!("{why}{:?}", sender.handle.status());
    assert!(!shown.contains("secretpw"), "{shown}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_where_tls_is_wanted_and_not_had() {
    if !can_run() {
        return;
    }
    let plain = Server::start(None, Tls::None, None).unwrap();
    let sender = Sender::start(email(plain.port(), Security::Starttls, None), Language::En);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.error().await;
    assert!(why.contains("STARTTLS is not supported on this server"), "{why}");
    // A certificate that nobody vouches for.
    let other = Server::start(None, Tls::Implicit, None).unwrap();
    let unknown = Server::start(None, Tls::Implicit, None).unwrap();
    let sender =
        Sender::start(email(unknown.port(), Security::Implicit, Some(other.ca_file())), Language::En);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.error().await;
    assert!(why.contains("cannot connect") && why.contains("certificate"), "{why}");
    assert!(plain.mails().is_empty() && unknown.mails().is_empty());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    if !can_run() {
        return;
    }
    let mut server = Server::start(None, Tls::None, None).unwrap();
    server.set_modes(&["hang", "ok"]).unwrap();
    let mut slow = email(server.port(), Security::None, None);
    slow.timeout = Duration::from_millis(400);
    let mut sender = Sender::start(slow, Language::En);
    sender.handle.offer(message(1)).unwrap();
    let outcome = sender.outcome().await;
    assert_eq!(outcome.end, End::Accepted);
    let why = format!("no answer from localhost:{} within 400ms", server.port());
    assert_eq!((outcome.tries, outcome.last_error), (2, Some(why)));
}

/// A server that takes one mail and then says nothing; `true` from the channel: it was asked to end.
fn silent_at_quit() -> (u16, mpsc::Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, quits) = mpsc::channel(1);
    spawn_thread("silent-at-quit", move || {
        let (stream, _) = listener.accept().unwrap();
        let mut say = stream.try_clone().unwrap();
        say.write_all(b"220 here\r\n").unwrap();
        let mut within_mail = false;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let answer = match (within_mail, line.split([' ', ':']).next().unwrap_or_default()) {
                (true, ".") => "250 taken",
                (true, _) => continue,
                (false, "DATA") => "354 go on",
                (false, "QUIT") => {
                    sender.blocking_send(true).unwrap();
                    continue;
                }
                (false, _) => "250 fine",
            };
            within_mail = answer.starts_with("354");
            say.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        }
    })
    .unwrap();
    (port, quits)
}

#[tokio::test]
async fn a_mail_that_was_taken_is_taken_however_slow_the_goodbye() {
    let (port, mut quits) = silent_at_quit();
    let mut email = email(port, Security::None, None);
    email.timeout = Duration::from_millis(700);
    let mut sender = Sender::start(email, Language::En);
    sender.handle.offer(message(1)).unwrap();
    let outcome = sender.outcome().await;
    assert_eq!((outcome.end, outcome.tries, outcome.last_error), (End::Accepted, 1, None));
    let asked = tokio::time::timeout(SOON, quits.recv()).await;
    assert_eq!(asked, Ok(Some(true)), "it is polite all the same");
}

#[tokio::test]
async fn a_server_that_says_nothing_at_all_and_one_that_is_not_there() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    // Connections are taken and kept, and nothing is said.
    spawn_thread("mute", move || {
        let _kept: Vec<_> = mute.incoming().collect();
    })
    .unwrap();
    let mut slow = email(port, Security::Starttls, None);
    slow.timeout = Duration::from_millis(200);
    let sender = Sender::start(slow, Language::En);
    sender.handle.offer(message(1)).unwrap();
    assert_eq!(sender.error().await, format!("no answer from localhost:{port} within 200ms"));
    let told = sender.handle.test(&message(2)).await.unwrap();
    assert!(!told.accepted && told.detail.contains("check `smtp`"), "{told:?}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sender = Sender::start(email(nobody, Security::None, None), Language::En);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.error().await;
    assert!(why.starts_with(&format!("cannot connect to localhost:{nobody}: ")), "{why}");
}

#[tokio::test]
async fn one_test_at_a_time() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut slow = email(mute.local_addr().unwrap().port(), Security::None, None);
    slow.timeout = Duration::from_millis(300);
    let sender = Sender::start(slow, Language::En);
    let (one, other) = (message(1), message(2));
    let (one, other) = tokio::join!(sender.handle.test(&one), sender.handle.test(&other));
    assert!(one.is_some() && other.is_none(), "{one:?} {other:?}");
    assert!(sender.handle.test(&message(3)).await.is_some(), "then there is room again");
}
