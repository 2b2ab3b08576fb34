//! SIGKILL, and a disk that fills up, under the hands of writers: is everything there that was acknowledged?

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hinomi_testkit::chance::Chance;
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::mount::{Mount, fill};
use hinomi_testkit::process;

use crate::writers::{SERIES, STEP_MS, Writers};

/// A check looks back so far behind the one before it.
const OVERLAP_MS: i64 = 600 * STEP_MS;
const DISK: &str = "48M";
const PATIENCE: Duration = Duration::from_secs(30);

/// What shall be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often it is killed.
    pub kills: usize,
    /// How many write.
    pub writers: usize,
    /// `metrics.durability`.
    pub durability: &'static str,
    /// Which chance.
    pub stream: u64,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// SIGKILLs, those before it was ready too.
    pub kills: usize,
    /// Times that everything since the last time was looked for.
    pub checks: usize,
    /// Samples that were acknowledged.
    pub acknowledged: usize,
    /// Samples that were sent and of which no success was heard.
    pub unknown: usize,
    /// What was missing or false.
    pub wrong: Vec<String>,
    /// Seconds from each start to readiness.
    pub ready: Vec<f64>,
    /// What writers were told that was no success.
    pub refused: Vec<String>,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let slowest = self.ready.iter().copied().reduce(f64::max);
        let ready = slowest.map_or_else(String::new, |s| format!(", ready again after {s:.2} s at most"));
        format!(
            "{} kills, {} checks, {} samples acknowledged, {} in doubt{ready}{}",
            self.kills,
            self.checks,
            self.acknowledged,
            self.unknown,
            self.refused.iter().map(|words| format!("; {words}")).collect::<String>()
        )
    }

    /// Sums up.
    ///
    /// # Errors
    ///
    /// When a writer was told what makes senders throw samples away.
    fn close(mut self, writers: &Writers) -> Result<Self> {
        self.acknowledged = writers.acknowledged();
        self.unknown = writers.unknown();
        let told = writers.refusals();
        let strange = told.iter().find(|(status, _)| **status != 429 && **status < 500);
        ensure!(strange.is_none(), "told {strange:?}, which makes senders throw samples away");
        let words = |(status, (times, words))| format!("{times} times {status}: {words}");
        self.refused = told.into_iter().map(words).collect();
        Ok(self)
    }
}

fn start(options: Options, durability: &str) -> Result<Server> {
    options.without_collectors().config(&format!("metrics: {{ durability: {durability} }}")).start()
}

/// Kills at random moments: while samples come, while blocks are written, now and then before it is ready.
///
/// # Errors
///
/// When it does not come back.
pub fn again_and_again(plan: &Plan) -> Result<Outcome> {
    let mut server = start(Options::new(), plan.durability)?;
    let writers = Writers::new(server.address(), plan.writers);
    let mut outcome = Outcome::default();
    let mut chance = Chance::stream(plan.stream);
    writers.write_during(|writers| {
        let mut checked = writers.first_ms();
        while outcome.kills < plan.kills {
            std::thread::sleep(Duration::from_millis(chance.between(0, 900)));
            server.kill9()?;
            outcome.kills += 1;
            if chance.once_in(5) && outcome.kills < plan.kills {
                // Once more while it starts.
                server.spawn()?;
                std::thread::sleep(Duration::from_millis(chance.between(1, 150)));
                server.kill9()?;
                outcome.kills += 1;
            }
            let began = Instant::now();
            server.start_again()?;
            outcome.ready.push(began.elapsed().as_secs_f64());
            let to = writers.now_ms();
            outcome.wrong.extend(writers.wrong_since(checked - OVERLAP_MS)?);
            outcome.checks += 1;
            checked = to;
            if outcome.wrong.len() > 1000 {
                break;
            }
        }
        Ok(())
    })?;
    // All of it, without load and after one more kill.
    server.kill9()?;
    server.start_again()?;
    outcome.wrong.extend(writers.wrong_since(writers.first_ms())?);
    outcome.checks += 1;
    outcome.close(&writers)
}

/// Fills the disk under the writers, frees it, fills it again and kills: while it is full nothing may be acknowledged
/// that is not kept.
///
/// # Errors
///
/// When the set-up fails, nobody is refused while the disk is full, or nobody served once there is room.
pub fn full_disk(plan: &Plan) -> Result<Outcome> {
    let disk = Mount::small_disk(DISK)?;
    let filler = disk.path().join("filler");
    let mut server = start(Options::new().data_dir(&disk.path().join("data")), plan.durability)?;
    let writers = Writers::new(server.address(), plan.writers);
    let mut outcome = Outcome::default();
    writers.write_during(|writers| {
        for killed in [false, true] {
            served(writers).context("before the disk is full")?;
            fill(&filler)?;
            let refused = || refusals(writers);
            let before = refused();
            let said = process::wait_for("refusal while the disk is full", PATIENCE, || {
                (refused() > before).then_some(())
            });
            said.with_context(|| format!("{:?}", writers.refusals()))?;
            std::thread::sleep(Duration::from_millis(500));
            if killed {
                server.kill9()?;
                outcome.kills += 1;
            }
            std::fs::remove_file(&filler)?;
            if killed {
                server.start_again()?;
            }
            served(writers).context("when the disk has room again")?;
            outcome.wrong.extend(writers.wrong_since(writers.first_ms())?);
            outcome.checks += 1;
        }
        Ok(())
    })?;
    server.kill9()?;
    server.start_again()?;
    outcome.kills += 1;
    outcome.wrong.extend(writers.wrong_since(writers.first_ms())?);
    outcome.checks += 1;
    outcome.close(&writers)
}

fn refusals(writers: &Writers) -> u64 {
    writers.refusals().values().map(|(times, _)| times).sum()
}

/// Waits until a hundred more requests are acknowledged.
fn served(writers: &Writers) -> Result<()> {
    let goal = writers.acknowledged() + 100 * SERIES;
    process::wait_for("hundred acknowledged requests", PATIENCE, || {
        (writers.acknowledged() >= goal).then_some(())
    })
    .with_context(|| format!("{:?}", writers.refusals()))
}
