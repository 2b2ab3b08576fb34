//! A page that is open while a day's events come in two hours: does it grow, does Hinomi?

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use hinomi_testkit::page;

use crate::engine::{Engine, container};
use crate::numbers::Chance;
use crate::page::ask_browser;
use crate::rig::{PssWatch, Rig, memory_words, mib, parallel};
use crate::{Form, Line};

const CONTAINERS: usize = 50;
const WORKERS: u64 = 2;
/// Events of a busy host in a day: 50 containers that are restarted, deployed and checked, one of them in a loop.
const DAY: f64 = 50_000.0;
/// The time in which they have to fit, seconds.
const TWO_HOURS: f64 = 7_200.0;
const MEASURED: [(&str, &str, Option<f64>); 7] = [
    ("heap_growth", "MB", Some(1.0)),
    ("heap", "MB", Some(60.0)),
    ("nodes_growth", "", Some(100.0)),
    ("nodes", "", None),
    ("listeners_growth", "", Some(10.0)),
    ("updates", "", None),
    ("longest_task", "ms", None),
];

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi or its page does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    if let Some(reason) = page::unavailable() {
        bail!("cannot look at the page here: {reason}");
    }
    let (warm_up, length) = form.pick((120_u64, 7_200_u64), (12, 28));
    let rig = Rig::start("soak")?;
    ensure!(
        page::is_served(&rig.server)?,
        "this hinomi was built without its page; run scripts/page build first"
    );
    parallel(4, CONTAINERS, |index| {
        rig.engine.run(&format!("rests-{index:02}"), container(&["sleep", "36000"]))
    })?;
    rig.wait_for_running(CONTAINERS)?;
    let env = [
        ("HINOMI_URL", format!("http://{}", rig.server.address())),
        ("WARM_UP", warm_up.to_string()),
        ("SECONDS", length.to_string()),
    ];
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let netns = rig.docker.netns();
    let events = rig.engine.events()?;
    let began = std::time::Instant::now();
    let (lines, early, late) = std::thread::scope(|scope| -> Result<_> {
        let load = |worker| load(&rig.engine, worker, &stop, &rounds);
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || load(worker))).collect();
        let watch = |from: u64, to: u64| watch(rig.server.pid(), from, to);
        let half = warm_up + length / 2;
        let early = scope.spawn(move || watch(warm_up, half));
        let late = scope.spawn(move || watch(half, warm_up + length));
        let limit = Duration::from_secs(warm_up + length + 120);
        let lines = ask_browser("soak", &MEASURED, &env, Some(&netns), limit);
        stop.store(true, Ordering::SeqCst);
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a worker panicked"))??;
        }
        let peak = |watch: std::thread::ScopedJoinHandle<'_, Result<f64>>| {
            watch.join().map_err(|_| anyhow!("a watch panicked"))?
        };
        Ok((lines?, peak(early)?, peak(late)?))
    })?;
    let rate = crate::line::count(events.all().len()) / began.elapsed().as_secs_f64();
    let mut lines = lines;
    lines.extend([
        Line::at_least("soak.rate", rate, "events/s", DAY / TWO_HOURS).noted(format!(
            "{DAY} events in two hours or denser; {} containers came and went",
            rounds.load(Ordering::SeqCst)
        )),
        Line::at_most("soak.server_pss", late.max(early), "MiB", 60.0).noted(memory_words(rig.server.pid())),
        Line::at_most("soak.server_growth", late - early, "MiB", 4.0)
            .noted(format!("peak of the first half {early:.2} MiB, of the second {late:.2} MiB")),
        Line::shown("soak.server_pss_end", mib(rig.server.pss_kib()?), "MiB"),
    ]);
    Ok(lines)
}

/// Highest Pss between two points in time, seconds from now, MiB.
fn watch(pid: u32, from: u64, to: u64) -> Result<f64> {
    std::thread::sleep(Duration::from_secs(from));
    let watch = PssWatch::start(pid, Duration::from_millis(500))?;
    std::thread::sleep(Duration::from_secs(to - from));
    Ok(watch.peak_mib())
}

/// Containers that come, run, fail and go, one after another, until told to stop.
fn load(engine: &Engine, worker: u64, stop: &AtomicBool, rounds: &AtomicUsize) -> Result<()> {
    let mut chance = Chance::stream(600 + worker);
    while !stop.load(Ordering::SeqCst) {
        let round = rounds.fetch_add(1, Ordering::SeqCst);
        let ms = chance.between(10, 200);
        let code = chance.one_of(&[0_i64, 0, 1, 3]);
        let script = format!("echo round {round}; sleep 0.{ms:03}; exit {code}");
        // Ten names for ever: each start under one of them is a deployment of the same workload.
        let name = format!("comes-{worker}-{}", round % 10);
        let id = engine.create(&name, container(&["sh", "-c", &script]))?;
        engine.run_to_end(&id)?;
        engine.remove(&id)?;
    }
    Ok(())
}
