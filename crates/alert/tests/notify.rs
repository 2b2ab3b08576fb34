//! The webhook sender against a real HTTP server on a real socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may die as tests do")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hinomi_alert::notify::{Clients, End, Handle, Options, Outcome, ReceiverStatus};
use hinomi_alert::settings::{Endpoint, Receiver, Way, Webhook};
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{ShutdownTrigger, shutdown, spawn_thread};
use hinomi_config::Secret;
use hinomi_model::{Message, Nanos};
use hinomi_words::Language;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the server does with one request.
#[derive(Clone)]
enum Answer {
    Say(&'static str),
    /// Says nothing and keeps the connection open.
    Hang,
    /// Closes the connection without a word.
    Close,
}

const OK: Answer = Answer::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
const BUSY: Answer = Answer::Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
const WRONG: Answer = Answer::Say("HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nno such hook");

#[derive(Clone, Debug)]
struct Request {
    at: Instant,
    line: String,
    headers: BTreeMap<String, String>,
    body: serde_json::Value,
    connection: usize,
}

/// Answers each request with the next answer, the last one for ever.
struct Server {
    addr: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        spawn_thread("test-server", move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (seen, answers) = (Arc::clone(&seen), answers.clone());
                spawn_thread("test-connection", move || serve(stream.unwrap(), connection, &seen, &answers))
                    .unwrap();
            }
        })
        .unwrap();
        Self { addr, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, connection: usize, seen: &Mutex<Vec<Request>>, answers: &[Answer]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_request(&mut reader, connection) {
        let mut seen = seen.lock().unwrap();
        let answer = answers.get(seen.len()).or(answers.last()).unwrap();
        seen.push(request);
        drop(seen);
        match answer {
            Answer::Say(text) => stream.write_all(text.as_bytes()).unwrap(),
            Answer::Hang => {}
            Answer::Close => return,
        }
    }
}

fn read_request(reader: &mut impl BufRead, connection: usize) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    Some(Request { at: Instant::now(), line: line.trim().to_owned(), headers, body, connection })
}

/// A running sender with short pauses.
struct Sender {
    handle: Handle,
    outcomes: mpsc::Receiver<Outcome>,
    trigger: ShutdownTrigger,
    task: JoinHandle<()>,
    counters: Counters,
}

impl Sender {
    fn start(url: &str, change: impl FnOnce(&mut Options)) -> Self {
        let headers = BTreeMap::from([("authorization".to_owned(), Secret::new("Bearer hunter2hunter2"))]);
        let url = Endpoint::new(url.parse().unwrap(), false);
        let webhook = Webhook { url, headers, timeout: Duration::from_secs(5) };
        let way = Way::Webhook(webhook);
        let mut options = Options::new(Receiver { name: "oncall".to_owned(), language: Language::En, way });
        options.backoff_first = Duration::from_millis(10);
        options.backoff_most = Duration::from_millis(40);
        change(&mut options);
        let counters = Counters::default();
        let (sender, outcomes) = mpsc::channel(16);
        let (service, handle) = options.build(Clients::new(), Clock::system(), &counters, sender);
        let (trigger, signal) = shutdown();
        let task = tokio::spawn(service.run(signal));
        Self { handle, outcomes, trigger, task, counters }
    }

    fn to(server: &Server) -> Self {
        Self::start(&format!("http://{}/hook", server.addr), |_| {})
    }

    async fn end(&mut self) -> End {
        let outcome = tokio::time::timeout(Duration::from_secs(20), self.outcomes.recv()).await;
        outcome.expect("an outcome in time").expect("the service runs").end
    }

    async fn gave_up(&mut self) -> String {
        match self.end().await {
            End::GaveUp { why } => why,
            End::Accepted => panic!("accepted"),
        }
    }

    /// The first status that fits.
    async fn status(&self, fits: impl Fn(&ReceiverStatus) -> bool) -> ReceiverStatus {
        for _ in 0..2000 {
            let status = self.handle.status();
            if fits(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("status stays {:?}", self.handle.status());
    }
}

fn webhook(options: &mut Options) -> &mut Webhook {
    match &mut options.receiver.way {
        Way::Webhook(webhook) => webhook,
        other => panic!("{other:?}"),
    }
}

fn message(sequence: u32) -> Message {
    Message {
        receiver: "oncall".to_owned(),
        incident: "host/workload/web#1".to_owned(),
        sequence,
        queued_at: Nanos(Clock::system().now()),
        body: serde_json::json!({ "version": 1, "sequence": sequence }),
    }
}

#[tokio::test]
async fn in_order_with_all_headers_over_one_connection() {
    let server = Server::start(vec![OK]);
    let mut sender = Sender::to(&server);
    for sequence in 1..=20 {
        sender.handle.offer(message(sequence)).unwrap();
    }
    for sequence in 1..=20 {
        let outcome = sender.outcomes.recv().await.unwrap();
        assert_eq!((outcome.sequence, outcome.end), (sequence, End::Accepted));
        assert_eq!((outcome.receiver.as_str(), outcome.incident.as_str()), ("oncall", "host/workload/web#1"));
    }
    let requests = server.requests();
    let sequences: Vec<_> = requests.iter().map(|r| r.body["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>());
    assert_eq!(requests[0].line, "POST /hook HTTP/1.1");
    let headers = &requests[2].headers;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["idempotency-key"], "host/workload/web#1:3");
    assert_eq!(headers["user-agent"], concat!("hinomi/", env!("CARGO_PKG_VERSION")));
    assert_eq!(headers["authorization"], "Bearer hunter2hunter2");
    assert!(requests.iter().all(|r| r.connection == 0), "connections are used again");
    let status = sender.handle.status();
    assert_eq!((status.sent, status.retried, status.gave_up, status.queued), (20, 0, 0, 0));
    assert!(status.last_accepted_at.is_some());
    assert_eq!(status.url_host, server.addr.to_string());
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_holds_its_place() {
    let too_early = Answer::Say("HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(vec![BUSY, Answer::Close, too_early, OK]);
    let mut sender = Sender::to(&server);
    sender.handle.offer(message(1)).unwrap();
    sender.handle.offer(message(2)).unwrap();
    assert_eq!(sender.end().await, End::Accepted);
    assert_eq!(sender.end().await, End::Accepted);
    let keys: Vec<_> = server.requests().iter().map(|r| r.headers["idempotency-key"].clone()).collect();
    let expected = [1, 1, 1, 1, 2].map(|sequence| format!("host/workload/web#1:{sequence}"));
    assert_eq!(keys, expected);
    let status = sender.handle.status();
    assert_eq!((status.sent, status.retried, status.gave_up), (2, 3, 0));
    assert_eq!((status.failing_since, status.last_error), (None, None));
    assert_eq!(sender.counters.all()["notify_retried_total"], 3);
}

#[tokio::test]
async fn the_receiver_says_when() {
    let wait = Answer::Say("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(vec![wait, OK]);
    let mut sender = Sender::to(&server);
    sender.handle.offer(message(1)).unwrap();
    assert_eq!(sender.end().await, End::Accepted);
    let requests = server.requests();
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_secs(1), "{waited:?} although the back-off is 40 ms at most");
}

#[tokio::test]
async fn a_very_long_retry_after_is_cut() {
    let wait = Answer::Say("HTTP/1.1 503 Later\r\nRetry-After: 999999\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(vec![wait, OK]);
    let limit = Duration::from_millis(50);
    let url = format!("http://{}/", server.addr);
    let mut sender = Sender::start(&url, |options| options.retry_after_most = limit);
    sender.handle.offer(message(1)).unwrap();
    assert_eq!(sender.end().await, End::Accepted);
}

#[tokio::test]
async fn a_refusal_is_given_up_after_some_tries_and_the_next_goes_on() {
    let server = Server::start(vec![WRONG, WRONG, WRONG, OK]);
    let url = format!("http://{}/", server.addr);
    let mut sender = Sender::start(&url, |options| options.tries_when_refused = 3);
    sender.handle.offer(message(1)).unwrap();
    sender.handle.offer(message(2)).unwrap();
    assert_eq!(sender.gave_up().await, "answered 400 Bad Request: no such hook");
    assert_eq!(sender.end().await, End::Accepted);
    let status = sender.handle.status();
    assert_eq!((status.sent, status.retried, status.gave_up), (1, 2, 1));
    assert_eq!(sender.counters.all()["notify_gave_up_total"], 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let away =
        Answer::Say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(vec![away]);
    let mut sender = Sender::to(&server);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.gave_up().await;
    assert!(why.contains("redirects are not followed"), "{why}");
    assert_eq!(server.requests().len(), 10);
}

#[tokio::test]
async fn an_old_message_gets_one_try() {
    let server = Server::start(vec![BUSY]);
    let mut sender = Sender::to(&server);
    let mut old = message(1);
    old.queued_at = old.queued_at.minus(Duration::from_secs(25 * 60 * 60));
    sender.handle.offer(old).unwrap();
    assert_eq!(sender.gave_up().await, "answered 503 Service Unavailable: busy");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = Server::start(vec![Answer::Hang, OK]);
    let url = format!("http://{}/", server.addr);
    let timeout = Duration::from_millis(200);
    let mut sender = Sender::start(&url, |options| webhook(options).timeout = timeout);
    sender.handle.offer(message(1)).unwrap();
    let failing = sender.status(|status| status.last_error.is_some()).await;
    assert_eq!(failing.last_error.clone().unwrap(), format!("no answer from {} within 200ms", server.addr));
    let json = serde_json::to_value(&failing).unwrap();
    assert!(json["failing_since"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
    assert_eq!(sender.end().await, End::Accepted);
}

#[tokio::test]
async fn a_dead_receiver_never_blocks_and_never_loses() {
    // A port that nobody listens on.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sender = Sender::start(&format!("http://{addr}/"), |options| options.queue = 4);
    let failing = {
        sender.handle.offer(message(0)).unwrap();
        sender.status(|status| status.last_error.is_some()).await
    };
    assert!(failing.last_error.unwrap().starts_with(&format!("cannot connect to {addr}: ")));
    let begin = Instant::now();
    let refused: Vec<u32> =
        (1..=10).filter_map(|n| sender.handle.offer(message(n)).err()).map(|m| m.sequence).collect();
    assert!(begin.elapsed() < Duration::from_millis(100));
    assert_eq!(refused, [5, 6, 7, 8, 9, 10], "what does not fit comes back");
    assert_eq!(sender.handle.status().queued, 5);
    assert_eq!(sender.handle.room(), 0);
    assert_eq!(sender.counters.all()["notify_queue_full_total"], 6);
    sender.trigger.raise();
    tokio::time::timeout(Duration::from_secs(1), sender.task).await.expect("a pause ends at once").unwrap();
    assert!(sender.handle.offer(message(11)).is_err(), "nobody is left to take it");
}

#[tokio::test]
async fn a_shutdown_lets_the_try_in_flight_end() {
    let server = Server::start(vec![Answer::Hang]);
    let url = format!("http://{}/", server.addr);
    let timeout = Duration::from_millis(300);
    let mut sender = Sender::start(&url, |options| {
        webhook(options).timeout = timeout;
        options.give_up_after = Duration::ZERO;
    });
    sender.handle.offer(message(1)).unwrap();
    while server.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sender.trigger.raise();
    assert!(sender.gave_up().await.starts_with("no answer"), "its outcome is still told");
    tokio::time::timeout(Duration::from_secs(1), sender.task).await.expect("then it stops").unwrap();
}

#[tokio::test]
async fn secrets_in_answers_are_not_repeated() {
    let said = "bad token hunter2hunter2\r\n for /services/abcdefgh \u{1b}[31m and secretpw";
    let answer = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{said}", said.len());
    let echo = Answer::Say(Box::leak(answer.into_boxed_str()));
    let server = Server::start(vec![echo]);
    let url = format!("http://user:secretpw@{}/services/abcdefgh", server.addr);
    let mut sender = Sender::start(&url, |options| {
        let url = webhook(options).url.expose().clone();
        webhook(options).url = Endpoint::new(url, true);
    });
    sender.handle.offer(message(1)).unwrap();
    let why = sender.gave_up().await;
    assert_eq!(why, "answered 403 Forbidden: bad token <secret> for /<secret>/<secret> [31m and <secret>");
    let status = format!("{:?}", sender.handle.status());
    assert!(
        !status.contains("hunter2") && !status.contains("abcdefgh") && !status.contains("secretpw"),
        "{status}"
    );
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let endless = Answer::Say(Box::leak(
        format!("HTTP/1.1 400 Bad Request\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(100_000))
            .into_boxed_str(),
    ));
    let server = Server::start(vec![endless]);
    let mut sender = Sender::to(&server);
    sender.handle.offer(message(1)).unwrap();
    let why = sender.gave_up().await;
    assert!(why.len() < 300, "{} bytes", why.len());
}

#[tokio::test]
async fn https_to_a_server_without_tls_is_a_failure_like_any_other() {
    let server = Server::start(vec![OK]);
    let sender = Sender::start(&format!("https://{}/", server.addr), |_| {});
    sender.handle.offer(message(1)).unwrap();
    let failing = sender.status(|status| status.retried >= 1).await;
    let why = failing.last_error.unwrap();
    assert!(why.starts_with("cannot connect to ") || why.starts_with("cannot set up TLS: "), "{why}");
    assert!(server.requests().is_empty(), "nothing is sent in the clear");
}
