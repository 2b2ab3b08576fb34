//! SIGKILL again and again while containers come, fail and go: is the history whole, was everybody told, once?

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hinomi_testkit::webhook::Request;
use serde_json::json;

use crate::engine::{Engine, Event, container};
use crate::history::{self, Change, Gap};
use crate::line::count;
use crate::numbers::{Chance, percentile, seconds, wall_ns};
use crate::rig::{Rig, comes};
use crate::{Form, Line};

const WORKERS: u64 = 3;
/// Time between a start of Hinomi and its SIGKILL, milliseconds: while it starts, compares, or just watches.
const LIFE_MS: (u64, u64) = (50, 3000);
/// Time in which Hinomi is not there, milliseconds.
const AWAY_MS: (u64, u64) = (0, 700);
const SETTLE: Duration = Duration::from_secs(60);

/// What a container did.
struct Ran {
    id: String,
    name: String,
    code: i64,
    /// It still exists.
    stays: bool,
}

/// What the kills left.
#[derive(Default)]
struct Kills {
    gaps: BTreeSet<Gap>,
    /// Seconds from the start of the process to its readiness, where it lived that long.
    ready: Vec<f64>,
}

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let rounds = form.pick(100, 15);
    let mut rig = Rig::start("endurance")?;
    let events = rig.engine.events()?;
    let since = wall_ns();
    let stop = AtomicBool::new(false);
    let engine = rig.engine.clone();
    let (kills, ran) = std::thread::scope(|scope| -> Result<_> {
        let load = |worker| load(&engine, worker, &stop);
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || load(worker))).collect();
        let kills = kill_again_and_again(&mut rig, rounds);
        stop.store(true, Ordering::SeqCst);
        let mut ran = Vec::new();
        for worker in workers {
            ran.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
        }
        Ok((kills?, ran))
    })?;
    judge(&rig, rounds, kills, &ran, &events.all(), since)
}

/// Containers, one after another, until told to stop.
fn load(engine: &Engine, worker: u64, stop: &AtomicBool) -> Result<Vec<Ran>> {
    let mut chance = Chance::stream(400 + worker);
    let mut ran = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let ms = chance.between(50, 1500);
        let code = if chance.once_in(2) { 0 } else { chance.one_of(&[1_i64, 2, 42, 127]) };
        let name = format!("load-{worker}-{}", ran.len());
        let script = format!("sleep {}.{:03}; exit {code}", ms / 1000, ms % 1000);
        let mut spec = container(&["sh", "-c", &script]);
        let after = chance.between(0, 9);
        spec["HostConfig"]["AutoRemove"] = json!(after < 3);
        let id = engine.create(&name, spec)?;
        let code = engine.run_to_end(&id)?;
        if (3..6).contains(&after) {
            engine.remove(&id)?;
        }
        ran.push(Ran { id, name, code, stays: after >= 6 });
    }
    Ok(ran)
}

fn kill_again_and_again(rig: &mut Rig, rounds: usize) -> Result<Kills> {
    let mut chance = Chance::stream(4);
    let mut kills = Kills::default();
    let mut started = Instant::now();
    let ms = |chance: &mut Chance, (low, high)| Duration::from_millis(chance.between(low, high));
    for _ in 0..rounds {
        let until = started + ms(&mut chance, LIFE_MS);
        watch_until(rig, started, until, &mut kills);
        rig.server.kill9()?;
        std::thread::sleep(ms(&mut chance, AWAY_MS));
        started = Instant::now();
        rig.server.spawn()?;
    }
    let is_ready = comes(Duration::from_secs(30), || history::gaps(&rig.server).is_ok());
    if !is_ready {
        return Err(anyhow!("hinomi does not come back; its log ends:\n{}", rig.server.log_end()));
    }
    Ok(kills)
}

/// Notes when it becomes ready and which gaps it shows (it shows the last ones only), until its time has come.
fn watch_until(rig: &Rig, started: Instant, until: Instant, kills: &mut Kills) {
    let limit = Duration::from_millis(500);
    let mut is_ready = false;
    while Instant::now() < until {
        if !is_ready
            && rig.server.request("GET", "/-/ready", b"", limit).is_ok_and(|answer| answer.status == 200)
        {
            is_ready = true;
            kills.ready.push(started.elapsed().as_secs_f64());
        }
        if is_ready && until.saturating_duration_since(Instant::now()) < Duration::from_millis(150) {
            kills.gaps.extend(history::gaps(&rig.server).into_iter().flatten());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn judge(
    rig: &Rig,
    rounds: usize,
    mut kills: Kills,
    ran: &[Ran],
    events: &[Event],
    since: i64,
) -> Result<Vec<Line>> {
    let all_told = || untold(ran, &rig.receiver.received()).is_empty();
    comes(SETTLE, all_told);
    let ended_right =
        |changes: &[Change]| wrong_ends(ran, &history::by_container(changes.to_vec())).is_empty();
    let changes = history::settled(&rig.server, since - 1_000_000_000, SETTLE, ended_right)?;
    kills.gaps.extend(history::gaps(&rig.server)?);
    let by = history::by_container(changes);
    let not_whole = not_whole(ran, &by, events, &kills.gaps);
    let received = rig.receiver.received();
    let failed = ran.iter().filter(|ran| ran.stays && ran.code != 0).count();
    let sum = format!("{} containers, {rounds} kills, {} gaps", ran.len(), kills.gaps.len());
    let note = |line: Line, text: String| {
        let detail = line.note.clone();
        line.noted(if detail.is_empty() { text } else { format!("{text}; {detail}") })
    };
    Ok(vec![
        note(Line::none_of("endurance.events_lost_without_a_gap", &not_whole), sum),
        Line::none_of("endurance.wrong_ends", &wrong_ends(ran, &by)),
        note(Line::none_of("endurance.untold_failures", &untold(ran, &received)), format!("of {failed}")),
        note(
            Line::none_of("endurance.told_twice", &told_twice(&received)),
            format!("{} messages", received.len()),
        ),
        Line::shown("endurance.ready.p50", percentile(&kills.ready, 50), "s")
            .noted(format!("from the start of the process, {} starts", kills.ready.len())),
        Line::shown("endurance.ready.p99", percentile(&kills.ready, 99), "s"),
        Line::shown("endurance.pss_after", crate::rig::mib(rig.server.pss_kib()?), "MiB").noted(format!(
            "{} records in {:.0} s",
            count(by.values().map(Vec::len).sum()),
            seconds(wall_ns() - since)
        )),
    ])
}

/// Creations, starts and ends that are neither recorded nor in a gap.
fn not_whole(
    ran: &[Ran],
    by: &HashMap<String, Vec<Change>>,
    events: &[Event],
    gaps: &BTreeSet<Gap>,
) -> Vec<String> {
    let ours: HashMap<&str, &Ran> = ran.iter().map(|ran| (ran.id.as_str(), ran)).collect();
    let is_recorded = |event: &Event| {
        let wanted = |change: &Change| match event.action.as_str() {
            "create" => change.attribute == "phase" && change.words == "created",
            "start" => change.attribute == "phase" && change.words == "running",
            _ => {
                change.attribute == "exit"
                    && change.exit_code() == ours.get(event.id.as_str()).map(|ran| ran.code)
            }
        };
        by.get(&event.id).is_some_and(|changes| changes.iter().any(wanted))
    };
    let matters = |event: &&Event| {
        ours.contains_key(event.id.as_str()) && matches!(event.action.as_str(), "create" | "start" | "die")
    };
    let lost = events.iter().filter(matters).filter(|event| !is_recorded(event));
    // An event that Hinomi was still handling when it was killed lies before the gap, which then names its container.
    let shown = |gap: &Gap, event: &Event| {
        gap.covers(event.at_ns) || (gap.from_ns > event.at_ns && gap.names(&ours[event.id.as_str()].name))
    };
    let lost = lost.filter(|event| !gaps.iter().any(|gap| shown(gap, event)));
    let text = |event: &Event| {
        let recorded = by.get(&event.id).map_or(&[][..], Vec::as_slice);
        let recorded: Vec<&str> = recorded.iter().map(|change| change.words.as_str()).collect();
        let next = gaps.iter().map(|gap| gap.from_ns - event.at_ns).filter(|after| *after > 0).min();
        let next = next.map_or_else(String::new, |after| format!(" {:.3} s before a gap", seconds(after)));
        let name = &ours[event.id.as_str()].name;
        format!("{} of {name}{next}; recorded of it: {}", event.action, recorded.join(", "))
    };
    lost.map(text).collect()
}

/// Containers whose state in the end is not what it is: those that exist have ended with their code, the others are
/// gone or never seen.
fn wrong_ends(ran: &[Ran], by: &HashMap<String, Vec<Change>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for ran in ran {
        let changes = by.get(&ran.id).map_or(&[][..], Vec::as_slice);
        let phase = changes
            .iter()
            .rev()
            .find(|change| change.attribute == "phase")
            .map(|change| change.words.as_str());
        let code = changes.iter().rev().find(|change| change.attribute == "exit").and_then(Change::exit_code);
        if ran.stays && (phase != Some("exited") || code != Some(ran.code)) {
            wrong.push(format!("{} ended with {}, known: {phase:?} with {code:?}", ran.name, ran.code));
        }
        if !ran.stays && phase.is_some_and(|phase| !phase.starts_with("gone")) {
            wrong.push(format!("{} was removed, known: {phase:?}", ran.name));
        }
    }
    wrong
}

/// Failed containers that still exist and that nobody was told of.
fn untold(ran: &[Ran], received: &[Request]) -> Vec<String> {
    let fired = received.iter().filter(|request| request.body["status"] == "firing");
    let told: BTreeSet<&str> =
        fired.filter_map(|request| request.body["resource"]["name"].as_str()).collect();
    let failed = ran.iter().filter(|ran| ran.stays && ran.code != 0);
    failed.filter(|ran| !told.contains(ran.name.as_str())).map(|ran| ran.name.clone()).collect()
}

/// Messages that say again what was said, under another key, and messages with one key that differ.
fn told_twice(received: &[Request]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_key: HashMap<&str, &Request> = HashMap::new();
    let mut said: HashMap<String, (String, u64)> = HashMap::new();
    for request in received {
        let body = &request.body;
        let key = request.headers.get("idempotency-key").map_or("", String::as_str);
        let sequence = body["sequence"].as_u64().unwrap_or_default();
        let incident = body["incident"].as_str().unwrap_or_default();
        if !key.ends_with(&format!(":{sequence}")) {
            wrong.push(format!("key {key} with sequence {sequence}"));
        }
        if let Some(first) = by_key.insert(key, request) {
            if first.body["incident"] != body["incident"] || first.body["sequence"] != body["sequence"] {
                wrong.push(format!("two messages with the key {key}"));
            }
            continue;
        }
        let what = format!("{} {} {} {}", body["status"], body["level"], body["finding"], body["inspection"]);
        if let Some((last, before)) = said.insert(incident.to_owned(), (what.clone(), sequence))
            && last == what
        {
            wrong.push(format!("{incident}: {what} as {before} and as {sequence}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &str, sequence: u64, status: &str) -> Request {
        Request {
            realtime_ns: 0,
            monotonic_ns: 0,
            path: String::new(),
            headers: [("idempotency-key".to_owned(), key.to_owned())].into(),
            body: json!({ "incident": "i", "sequence": sequence, "status": status, "finding": "f" }),
            answered: 200,
        }
    }

    #[test]
    fn repeats_are_told_from_new_messages() {
        let wrong = |requests: &[Request]| told_twice(requests).len();
        let first = request("i:1", 1, "firing");
        assert_eq!(
            wrong(&[first.clone(), first.clone(), request("i:2", 2, "resolved")]),
            0,
            "a repeat, then news"
        );
        assert_eq!(wrong(&[first.clone(), request("i:2", 2, "firing")]), 1, "the same under another key");
        assert_eq!(
            wrong(&[first.clone(), request("i:1", 2, "firing")]),
            2,
            "another message under the same key"
        );
        let again = [first, request("i:2", 2, "resolved"), request("i:3", 3, "firing")];
        assert_eq!(wrong(&again), 0, "it came back");
    }
}
