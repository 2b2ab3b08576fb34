//! More series than there is memory for, and questions for all of them at once: refused with the limit's name, in
//! bounded memory, while others go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::net;
use hinomi_testkit::remote_write::{Request, Sender};

use crate::writers::wall_ms;

/// The memory budget, MiB.
pub const BUDGET_MIB: u32 = 128;
/// Who sends too much.
const BOMBER: &str = "bomber";
/// Series of those who go on.
const OTHERS: usize = 100;
/// Series of a request of the bomb.
const AT_ONCE: usize = 2000;
/// The bomb goes on so long after the first refusal.
const INSIST: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(30);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Resident memory before anything, KiB.
    pub base_kib: u64,
    /// Most resident memory, KiB.
    pub peak_kib: u64,
    /// Series of the bomb that were acknowledged in whole requests.
    pub taken: usize,
    /// Requests of the bomb that were refused.
    pub refused: u64,
    /// The first refusal: status and words.
    pub write_refusal: Option<(u16, String)>,
    /// Further refusals that say something else.
    pub other_refusals: Vec<(u16, String)>,
    /// Questions for everything: status and words.
    pub questions: Vec<(u16, String)>,
    /// Writes of others: how many were acknowledged.
    pub others_written: u64,
    /// What others were told that was no success.
    pub others_refused: Vec<String>,
    /// Questions of others that were answered rightly.
    pub others_answered: u64,
    /// Longest time that others waited for an answer to a write or a question, seconds.
    pub others_slowest: f64,
}

/// A million series (or so many) of one tenant against a small budget, while another tenant writes and asks.
///
/// # Errors
///
/// When the set-up fails or it ends.
pub fn bomb(series: usize) -> Result<Outcome> {
    let config = format!("memory_max: {BUDGET_MIB}MiB");
    let server = Options::new().without_collectors().config(&config).start()?;
    let mut outcome = Outcome { base_kib: status_kib(&server, "VmRSS:")?, ..Outcome::default() };
    let others = Others::default();
    std::thread::scope(|scope| {
        scope.spawn(|| others.write(&server));
        scope.spawn(|| others.ask(&server));
        let peak = scope.spawn(|| others.watch(&server));
        let done =
            throw(&server, series, &mut outcome).and_then(|()| ask_for_everything(&server, &mut outcome));
        others.stop.store(true, Ordering::SeqCst);
        outcome.peak_kib = peak.join().unwrap_or(u64::MAX);
        done
    })?;
    others.tell(&mut outcome);
    // It is still the process that was started.
    status_kib(&server, "VmRSS:").context("it died")?;
    Ok(outcome)
}

fn throw(server: &Server, series: usize, outcome: &mut Outcome) -> Result<()> {
    let mut sender = Sender::new(server.address(), Some(BOMBER), LIMIT);
    let now = wall_ms();
    let mut until: Option<Instant> = None;
    for first in (0..series).step_by(AT_ONCE) {
        let last = series.min(first + AT_ONCE);
        let answer = sender.send(&bomb_part(first..last, now))?;
        if matches!(answer.status, 200 | 204) {
            outcome.taken += last - first;
        } else {
            let words = String::from_utf8_lossy(&answer.body).trim().to_owned();
            outcome.refused += 1;
            let told = (answer.status, words);
            let known = outcome.write_refusal.get_or_insert_with(|| told.clone());
            if *known != told && !outcome.other_refusals.contains(&told) && outcome.other_refusals.len() < 10
            {
                outcome.other_refusals.push(told);
            }
            until.get_or_insert_with(|| Instant::now() + INSIST);
        }
        if until.is_some_and(|until| Instant::now() > until) {
            break;
        }
    }
    Ok(())
}

/// Labels as long as those of containers.
fn bomb_part(numbers: std::ops::Range<usize>, at_ms: i64) -> Vec<u8> {
    let mut request = Request::default();
    for number in numbers {
        let id = format!("{number:064x}");
        let pod = format!("worker-{}-{number:05x}", number / 1000);
        let labels = [("__name__", "bomb_total"), ("id", &id), ("namespace", "default"), ("pod", &pod)];
        request.series(&labels, &[(at_ms, 1.0)]);
    }
    request.packed()
}

fn ask_for_everything(server: &Server, outcome: &mut Outcome) -> Result<()> {
    let now = wall_ms() / 1000;
    let all = "%7B__name__%3D~%22.%2B%22%7D";
    let paths = [
        format!("/api/v1/query?query={all}&time={now}"),
        format!("/api/v1/query_range?query={all}&start={}&end={now}&step=15", now - 3600),
        format!("/api/v1/query?query={all}%5B1h%5D&time={now}"),
    ];
    for path in paths {
        let headers = [("X-Scope-OrgID", BOMBER)];
        let answer = net::request(None, server.address(), "GET", &path, &headers, &[], LIMIT)?;
        let text = answer.json().map_or_else(
            |_| format!("{} bytes", answer.body.len()),
            |body| {
                body["error"].as_str().map_or_else(|| format!("{} bytes", answer.body.len()), str::to_owned)
            },
        );
        outcome.questions.push((answer.status, text));
    }
    Ok(())
}

/// What others do and are told.
#[derive(Debug, Default)]
struct Others {
    stop: AtomicBool,
    written: AtomicU64,
    answered: AtomicU64,
    refused: Mutex<Vec<String>>,
    slowest_ms: AtomicU64,
}

impl Others {
    fn note(&self, what: String) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < 1000 {
            refused.push(what);
        }
    }

    fn each(&self, mut once: impl FnMut() -> Result<()>) {
        while !self.stop.load(Ordering::SeqCst) {
            let began = Instant::now();
            if let Err(error) = once() {
                self.note(format!("{error:#}"));
            }
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.slowest_ms.fetch_max(took, Ordering::SeqCst);
            std::thread::sleep(PAUSE);
        }
    }

    fn write(&self, server: &Server) {
        let mut sender = Sender::new(server.address(), None, LIMIT);
        self.each(|| {
            let mut request = Request::default();
            let now = wall_ms();
            for series in 0..OTHERS {
                let number = series.to_string();
                request.series(&[("__name__", "others"), ("series", &number)], &[(now, 1.0)]);
            }
            let answer = sender.send(&request.packed())?;
            let words = String::from_utf8_lossy(&answer.body).trim().to_owned();
            ensure!(matches!(answer.status, 200 | 204), "write: {} {words}", answer.status);
            self.written.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
    }

    fn ask(&self, server: &Server) {
        self.each(|| {
            if self.written.load(Ordering::SeqCst) == 0 {
                return Ok(());
            }
            let answer = server.get("/api/v1/query?query=sum(others)")?;
            let sum = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("nothing").to_owned();
            ensure!(sum == OTHERS.to_string(), "the sum of {OTHERS} ones is {sum}");
            self.answered.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
    }

    fn watch(&self, server: &Server) -> u64 {
        let mut peak = 0;
        while !self.stop.load(Ordering::SeqCst) {
            peak = peak.max(status_kib(server, "VmRSS:").unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        peak.max(status_kib(server, "VmHWM:").unwrap_or(0))
    }

    fn tell(self, outcome: &mut Outcome) {
        outcome.others_written = self.written.into_inner();
        outcome.others_answered = self.answered.into_inner();
        outcome.others_refused = self.refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.others_slowest = Duration::from_millis(self.slowest_ms.into_inner()).as_secs_f64();
    }
}

fn status_kib(server: &Server, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.with_context(|| format!("no {name} in status"))
}
