//! A month of a town of 200 workloads, through the real pipeline and a real receiver, with a clock that somebody else
//! moves: of what heals by itself nobody is woken; of each outage somebody is, once, in time.
//!
//! `HINOMI_MONTH_DAYS` makes it shorter or longer than [`DAYS`].

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{ShutdownTrigger, shutdown};
use hinomi_model::*;
use hinomi_pipeline::settings::Settings;
use hinomi_pipeline::{Handle, Intake, Options, Service, open};
use hinomi_testkit::webhook::Receiver;

use world::{HOST, World};

/// Monday, 2026-11-02, 00:00 UTC.
const BEGIN: Nanos = Nanos::from_secs(1_793_577_600);
/// Days of it that are simulated as a test: the whole month is one of the measurements.
const DAYS: u64 = 31;
const WORKLOADS: usize = 200;
const OUTAGES: usize = 50;
const DAY: Duration = Duration::from_secs(86_400);
/// The start grace at most, and what it takes to tell.
const IN_TIME: Duration = Duration::from_secs(5 * 60 + 15);

/// A clock that is moved.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl hinomi_base::clock::Source for Hand {
    fn wall(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn boot(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A running Hinomi.
struct Tower {
    service: Service,
    handle: Handle,
    intake: Intake,
    _stop: ShutdownTrigger,
}

struct Month {
    hand: Hand,
    folder: tempfile::TempDir,
    receiver: Receiver,
    world: World,
    tower: Option<Tower>,
    houses_seen_to: Nanos,
}

/// Something that happens in the town.
#[derive(Clone, Copy, Debug)]
enum Event {
    RollOut(usize),
    SlowStart(usize),
    Crash(usize),
    Job,
    Restart { away: Duration },
    Gap { length: Duration },
    Outage(usize, Duration),
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when the test fails")]
struct Outage {
    workload: (String, String),
    what: &'static str,
    at: Nanos,
    until: Nanos,
}

impl Month {
    fn new(seed: u64) -> Self {
        let hand = Hand::default();
        hand.0.store(BEGIN.0, Ordering::Relaxed);
        // What is acknowledged is synced again and again: in memory that costs nothing.
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        Self {
            hand,
            folder: folder.unwrap(),
            receiver: Receiver::start().unwrap(),
            world: World::new(seed),
            tower: None,
            houses_seen_to: BEGIN,
        }
    }

    fn now(&self) -> Nanos {
        Nanos(self.hand.0.load(Ordering::Relaxed))
    }

    async fn begin(&mut self) {
        let text = format!(
            "data_dir: {}\nhost: {{ name: {HOST} }}\nreceivers:\n  - {{ name: oncall, webhook: {{ url: \"{}\" }} }}\n\
             routes:\n  - {{ receiver: oncall }}\nworking_hours: {{ time_zone: UTC }}\n",
            self.folder.path().join("data").display(),
            self.receiver.url()
        );
        let (settings, _notes) = Settings::parse(&text, "month", &|_| None).unwrap();
        let options = Options {
            settings,
            clock: Clock::new(Arc::new(self.hand.clone())),
            budget: Budget::new(256 << 20),
            counters: Counters::default(),
        };
        let (mut service, handle, intake) = open(options).unwrap();
        let (stop, stopped) = shutdown();
        service.start(&stopped).await;
        self.tower = Some(Tower { service, handle, intake, _stop: stop });
    }

    fn runtime(&self, up: bool) {
        let state = RuntimeState { up, version: "Docker 29.0".to_owned(), ..RuntimeState::default() };
        self.push(StateChange {
            resource: Arc::new(hinomi_alert::runtime_resource(HOST)),
            fact: Fact::Runtime(state),
            old: None,
            reason: None,
            occurred_at: self.now(),
            observed_at: self.now(),
            source: Source::Probe,
            evidence: None,
        });
    }

    fn gap(&self, from: Nanos, reason: GapReason) {
        self.push(StateChange {
            resource: Arc::new(hinomi_alert::runtime_resource(HOST)),
            fact: Fact::Gap(Gap { from, to: self.now(), reason, lost: Vec::new() }),
            old: None,
            reason: None,
            occurred_at: self.now(),
            observed_at: self.now(),
            source: Source::Hinomi,
            evidence: None,
        });
    }

    fn push(&self, change: StateChange) {
        self.tower.as_ref().unwrap().intake.push(vec![change]).unwrap();
    }

    async fn round(&mut self) -> Option<Nanos> {
        self.tower.as_mut().unwrap().service.go_round().await
    }

    /// Lets time pass: what happens is told at its time, what is due is judged at its time.
    async fn pass(&mut self, until: Nanos) {
        let mut due = self.round().await;
        loop {
            let deadline = due.filter(|due| *due <= until);
            let told = self.world.next_until(deadline.unwrap_or(until));
            let Some(at) = told.as_ref().map(|(at, _)| *at).or(deadline) else { break };
            self.hand.0.store(at.0.max(self.now().0), Ordering::Relaxed);
            if let Some((_, change)) = told {
                self.push(change);
            }
            due = self.round().await;
            self.see_to_the_house().await;
        }
        self.hand.0.store(until.0.max(self.now().0), Ordering::Relaxed);
        self.round().await;
        self.deliver().await;
    }

    async fn see_to_the_house(&mut self) {
        if self.now().since(self.houses_seen_to) >= Duration::from_secs(60) {
            self.houses_seen_to = self.now();
            self.tower.as_mut().unwrap().service.see_to_the_house().await;
        }
    }

    /// Messages travel in real time.
    async fn deliver(&mut self) {
        for _ in 0..2_000 {
            if self.tower.as_ref().unwrap().service.owed() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.round().await;
        }
        panic!("messages do not arrive: {:?}", self.tower.as_ref().unwrap().handle.receivers());
    }

    async fn happen(&mut self, event: Event, outages: &mut Vec<Outage>) {
        let now = self.now();
        let free = |world: &World, index: usize| world.workloads[index].busy_until <= now;
        self.world.late = if self.world.chance.once_in(20) {
            Duration::from_secs(self.world.chance.between(1, 20))
        } else {
            Duration::ZERO
        };
        match event {
            Event::RollOut(index) if free(&self.world, index) => self.world.roll_out(index, now),
            Event::SlowStart(index)
                if free(&self.world, index) && self.world.workloads[index].spec.has_health_check =>
            {
                self.world.start_slowly(index, now);
            }
            Event::Crash(index) if free(&self.world, index) => self.world.crash_once(index, now),
            Event::Job => self.world.job_that_fails_once(now),
            Event::Restart { away } => self.restart(away).await,
            Event::Gap { length } => self.look_away(length).await,
            Event::Outage(index, length) => {
                self.world.late = Duration::ZERO;
                let until = now.plus(length);
                let what = self.world.break_down(index, now, until);
                let one = &self.world.workloads[index];
                let workload = (one.project.clone(), one.name.clone());
                outages.push(Outage { workload, what, at: now, until });
            }
            Event::RollOut(_) | Event::SlowStart(_) | Event::Crash(_) => {}
        }
        self.world.late = Duration::ZERO;
    }

    /// Hinomi is killed and started again; what happened meanwhile is found by comparing.
    async fn restart(&mut self, away: Duration) {
        let killed = self.now();
        self.tower = None;
        // Its threads let go of the folder.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let back = killed.plus(away);
        self.world.unseen(back);
        self.hand.0.store(back.0, Ordering::Relaxed);
        self.begin().await;
        self.compare(killed, back, GapReason::NotRunning).await;
    }

    /// It is seen again: what changed meanwhile is told, then the gap.
    async fn compare(&mut self, from: Nanos, back: Nanos, reason: GapReason) {
        self.runtime(true);
        self.round().await;
        while let Some((_, change)) = self.world.next_until(back) {
            self.push(change);
        }
        self.round().await;
        self.gap(from, reason);
        self.round().await;
    }

    /// The runtime does not answer for a while.
    async fn look_away(&mut self, length: Duration) {
        let from = self.now();
        self.runtime(false);
        self.round().await;
        let back = from.plus(length);
        self.world.unseen(back);
        let short = Nanos(back.0 - 1);
        // Deadlines pass; nothing is seen.
        while let Some(due) = self.round().await.filter(|due| *due <= short) {
            self.hand.0.store(due.0.max(self.now().0), Ordering::Relaxed);
        }
        self.hand.0.store(back.0, Ordering::Relaxed);
        self.compare(from, back, GapReason::RuntimeAway).await;
    }
}

/// What happens in so many days, in order.
fn calendar(world: &mut World, days: u64, outages: usize) -> Vec<(Nanos, Event)> {
    let mut events = Vec::new();
    let chance = &mut world.chance;
    let span = DAY.as_secs() * days;
    let any = |chance: &mut hinomi_testkit::chance::Chance| {
        BEGIN.plus(Duration::from_secs(chance.between(3600, span - 7200)))
    };
    let last = WORKLOADS as u64 - 1;
    for _ in 0..days * 26 {
        events.push((any(chance), Event::RollOut(chance.between(0, last) as usize)));
        events.push((any(chance), Event::Crash(chance.between(0, last) as usize)));
    }
    for _ in 0..days {
        events.push((any(chance), Event::SlowStart(chance.between(0, last) as usize)));
        events.push((any(chance), Event::Job));
        events.push((any(chance), Event::Job));
        events.push((any(chance), Event::Gap { length: Duration::from_secs(chance.between(2, 58)) }));
    }
    for _ in 0..days / 2 {
        events.push((any(chance), Event::Restart { away: Duration::from_secs(chance.between(2, 60)) }));
    }
    let mut town: Vec<usize> = (0..WORKLOADS).collect();
    chance.shuffle(&mut town);
    for index in town.into_iter().take(outages) {
        let length = Duration::from_secs(chance.between(900, 3000));
        events.push((any(chance), Event::Outage(index, length)));
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

/// A message, as far as it matters.
#[derive(Debug)]
#[allow(dead_code, reason = "shown when the test fails")]
struct Told {
    incident: String,
    workload: (String, String),
    status: String,
    level: String,
    cause: String,
    started: Nanos,
    repeat: bool,
}

fn told(receiver: &Receiver) -> Vec<Told> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let one = |request: hinomi_testkit::webhook::Request| {
        let body = request.body;
        let workload = &body["resource"]["workload"];
        Told {
            incident: text(&body["incident"]),
            workload: (text(&workload["project"]), text(&workload["name"])),
            status: text(&body["status"]),
            level: text(&body["level"]),
            cause: text(&body["cause"]),
            started: Nanos::parse_rfc3339(&text(&body["started"])).unwrap_or_default(),
            repeat: body["repeat"] == true,
        }
    };
    receiver.received().into_iter().map(one).collect()
}

async fn month(days: u64, outages: usize) -> (Vec<Outage>, Vec<(Nanos, Told)>, usize) {
    let mut month = Month::new(1);
    month.begin().await;
    month.runtime(true);
    month.gap(BEGIN, GapReason::NotRunning);
    month.round().await;
    month.world.build(WORKLOADS, BEGIN.plus(Duration::from_secs(1)));
    let events = calendar(&mut month.world, days, outages);
    let (mut broken, mut messages) = (Vec::new(), Vec::new());
    let mut count = 0;
    for (at, event) in events {
        // In steps, so that each message has about the time at which it was sent.
        let mut step = month.now();
        while step < at {
            step = step.plus(Duration::from_secs(15)).min(at);
            month.pass(step).await;
            let now = month.now();
            messages.extend(told(&month.receiver).into_iter().map(|one| (now, one)));
            month.receiver.clear();
        }
        count += 1;
        month.happen(event, &mut broken).await;
    }
    let end = BEGIN.plus(DAY * days as u32);
    month.pass(end).await;
    messages.extend(told(&month.receiver).into_iter().map(|one| (end, one)));
    (broken, messages, count)
}

fn days() -> u64 {
    std::env::var("HINOMI_MONTH_DAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(DAYS)
}

fn loud(messages: &[(Nanos, Told)]) -> Vec<&(Nanos, Told)> {
    messages.iter().filter(|(_, one)| one.level == "alert" && one.status == "firing" && !one.repeat).collect()
}

#[tokio::test]
async fn a_month_in_which_everything_heals_wakes_nobody() {
    let (_, messages, events) = month(days(), 0).await;
    println!("{} days, {events} events, {} messages", days(), messages.len());
    assert!(loud(&messages).is_empty(), "{:#?}", loud(&messages));
}

#[tokio::test]
async fn each_outage_of_a_month_wakes_somebody_once() {
    let wanted = if days() >= DAYS { OUTAGES } else { OUTAGES * days() as usize / DAYS as usize };
    let (outages, messages, events) = month(days(), wanted).await;
    println!("{} days, {events} events, {} outages, {} messages", days(), outages.len(), messages.len());
    let loud = loud(&messages);
    let mut pages: BTreeMap<&(String, String), Vec<&(Nanos, Told)>> = BTreeMap::new();
    for page in &loud {
        pages.entry(&page.1.workload).or_default().push(page);
    }
    let mut wrong = Vec::new();
    for outage in &outages {
        let its = pages.remove(&outage.workload).unwrap_or_default();
        let late = its.first().is_some_and(|(at, _)| at.since(outage.at) > IN_TIME || *at > outage.until);
        if its.len() != 1 || late {
            wrong.push(format!("{outage:?}: {its:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pages.is_empty(), "of what was no outage: {pages:#?}");
    assert_eq!(outages.len(), wanted);
}
