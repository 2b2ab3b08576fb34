//! SIGKILL to a server that holds a million series: how soon does it take samples again, how soon does it answer?

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::remote_write::{Request, Sender};

use crate::numbers::wall_ns;
use crate::rig::{comes, parallel};
use crate::{Form, Line};

const THREADS: usize = 4;
/// Series of a request.
const AT_ONCE: usize = 2000;
/// Samples of each series.
const ROUNDS: i64 = 4;
const STEP_MS: i64 = 15_000;
const LIMIT: Duration = Duration::from_secs(60);
/// Between two tries of one who waits for the server.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures.
///
/// # Errors
///
/// When the set-up fails.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let series = form.pick(1_000_000, 100_000);
    let (take_limit, ask_limit) = form.pick((3.0, 10.0), (1.0, 2.0));
    let mut server = Options::new().without_collectors().config("memory_max: 4GiB").start()?;
    let first = wall_ns() / 1_000_000 - ROUNDS * STEP_MS;
    let began = Instant::now();
    for round in 0..ROUNDS {
        let at = first + round * STEP_MS;
        parallel(THREADS, series / AT_ONCE, |part| write(&server, part, at))?;
    }
    let took = began.elapsed().as_secs_f64();
    let resident = crate::rig::mib(crate::rig::rollup(server.pid(), "Rss:")?);

    server.kill9()?;
    let used = Instant::now();
    server.spawn()?;
    let (taken, answered) = std::thread::scope(|scope| {
        let take = scope.spawn(|| until(&used, || write(&server, 0, first + ROUNDS * STEP_MS).is_ok()));
        let answered = until(&used, || holds(&server, series, first));
        (take.join().unwrap_or(f64::NAN), answered)
    });
    let cpu = server.cpu_seconds()?;
    let note = format!(
        "{series} series with {ROUNDS} samples each, written in {took:.1} s, {resident:.0} MiB resident"
    );
    Ok(vec![
        Line::at_most("recovery.takes", taken, "s", take_limit).noted(note),
        Line::at_most("recovery.answers", answered, "s", ask_limit)
            .noted(format!("every series counted; {cpu:.1} s of processor time since the start")),
    ])
}

/// Seconds until it is so.
fn until(began: &Instant, mut is_so: impl FnMut() -> bool) -> f64 {
    let so = comes(LIMIT, || {
        let so = is_so();
        if !so {
            std::thread::sleep(PAUSE);
        }
        so
    });
    if so { began.elapsed().as_secs_f64() } else { f64::NAN }
}

/// Labels as those of containers are.
fn write(server: &Server, part: usize, at_ms: i64) -> Result<()> {
    let mut request = Request::default();
    for number in part * AT_ONCE..(part + 1) * AT_ONCE {
        let pod = format!("worker-{:04}", number / 100);
        let name = format!("app_metric_{:02}_total", number % 100);
        let labels = [
            ("__name__", name.as_str()),
            ("container", "worker"),
            ("instance", "10.0.0.1:8080"),
            ("job", "pods"),
            ("namespace", "default"),
            ("pod", pod.as_str()),
        ];
        let value = f64::from(u32::try_from(number)?) + f64::from(u32::try_from(at_ms % 1000)?);
        request.series(&labels, &[(at_ms, value)]);
    }
    let mut sender = Sender::new(server.address(), None, LIMIT);
    let answer = sender.send(&request.packed())?;
    ensure!(
        matches!(answer.status, 200 | 204),
        "{} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body).trim()
    );
    Ok(())
}

/// Whether it knows all series at that time.
fn holds(server: &Server, series: usize, at_ms: i64) -> bool {
    let at = format!("{}.{:03}", at_ms / 1000, at_ms % 1000);
    let path = format!("/api/v1/query?query=count(app_metric_07_total)&time={at}");
    let answer = server.get(&path).context("not yet");
    let right = (series / 100).to_string();
    answer.is_ok_and(|answer| answer["data"]["result"][0]["value"][1] == right)
}
