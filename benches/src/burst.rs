//! More events at once than anybody handles one by one: none lost, or a gap shown; memory bounded.
//!
//! Renames and updates of containers that do not run cost dockerd next to nothing, so they come by the thousand; now
//! and then a running one is paused and unpaused. Half way Hinomi is frozen: then dockerd, whose buffer for a
//! follower is bounded too, drops events. Every call is known with the wall time around it, and must be found in the
//! timeline with a stamp of that time, or its time must lie in a gap.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use hinomi_testkit::process;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::engine::{Engine, container};
use crate::history::{self, Change, Gap};
use crate::line::count;
use crate::numbers::{Chance, seconds, wall_ns};
use crate::rig::{PssWatch, Rig, comes, memory_words, parallel};
use crate::{Form, Line};

const THREADS: usize = 8;
const EACH: usize = 4;
const MS: i64 = 1_000_000;
/// So long after an event a comparison may tell of it, nanoseconds.
const COMPARED: i64 = 1000 * MS;

/// An event that a call made.
struct Made {
    id: String,
    attribute: &'static str,
    words: String,
    from_ns: i64,
    to_ns: i64,
}

/// A thread's own containers: their events come one after another.
struct Own {
    idle: Vec<String>,
    running: String,
}

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let total = form.pick(10_000, 2_000);
    let frozen = form.pick(Duration::from_secs(5), Duration::from_secs(3));
    let rig = Rig::start("burst")?;
    let since = wall_ns();
    let own = parallel(THREADS, THREADS, |thread| own(&rig.engine, thread))?;
    rig.wait_for_running(THREADS)?;

    let watch = PssWatch::start(rig.server.pid(), Duration::from_millis(100))?;
    let began = wall_ns();
    let so_far = AtomicUsize::new(0);
    let made = std::thread::scope(|scope| {
        scope.spawn(|| {
            comes(Duration::from_secs(600), || so_far.load(Ordering::Relaxed) >= total / 2);
            process::signal(rig.server.pid(), Signal::STOP);
            std::thread::sleep(frozen);
            process::signal(rig.server.pid(), Signal::CONT);
        });
        parallel(THREADS, THREADS, |thread| work(&rig.engine, &own[thread], thread, &so_far, total))
    });
    let took = wall_ns() - began;
    let made: Vec<Made> = made?.into_iter().flatten().collect();
    judge(&rig, &made, since, took, &watch)
}

fn own(engine: &Engine, thread: usize) -> Result<Own> {
    let idle = (0..EACH).map(|n| engine.create(&format!("idle-{thread}-{n}"), container(&["true"])));
    let idle = idle.collect::<Result<Vec<_>>>()?;
    let running = engine.run(&format!("runs-{thread}"), container(&["sleep", "3600"]))?;
    Ok(Own { idle, running })
}

fn work(engine: &Engine, own: &Own, thread: usize, so_far: &AtomicUsize, total: usize) -> Result<Vec<Made>> {
    let mut chance = Chance::stream(300 + u64::try_from(thread)?);
    let mut made = Vec::new();
    while so_far.load(Ordering::Relaxed) < total {
        let before = made.len();
        let id = &own.idle[usize::try_from(chance.between(0, 3))?];
        match chance.between(0, 99) {
            0 => {
                made.push(timed(&own.running, "phase", "paused", || engine.act(&own.running, "pause"))?);
                made.push(timed(&own.running, "phase", "unpaused", || engine.act(&own.running, "unpause"))?);
            }
            1..=20 => {
                let body = json!({ "CpuShares": chance.between(2, 1024) });
                let path = format!("/containers/{id}/update");
                let call = || engine.call("POST", &path, &body).map(drop);
                made.push(timed(id, "intent", "update asked for by the API", call)?);
            }
            _ => {
                let name = format!("n-{thread}-{}", made.len());
                let path = format!("/containers/{id}/rename?name={name}");
                let call = || engine.call("POST", &path, &Value::Null).map(drop);
                made.push(timed(id, "name", &format!("renamed to {name}"), call)?);
            }
        }
        so_far.fetch_add(made.len() - before, Ordering::Relaxed);
    }
    Ok(made)
}

fn timed(id: &str, attribute: &'static str, words: &str, call: impl FnOnce() -> Result<()>) -> Result<Made> {
    let from_ns = wall_ns();
    call()?;
    Ok(Made { id: id.to_owned(), attribute, words: words.to_owned(), from_ns, to_ns: wall_ns() })
}

fn judge(rig: &Rig, made: &[Made], since: i64, took: i64, watch: &PssWatch) -> Result<Vec<Line>> {
    let whole = |changes: &[Change]| missing(made, changes).is_empty();
    let changes = history::settled(&rig.server, since, Duration::from_secs(20), whole)?;
    let missing = missing(made, &changes);
    let gaps: Vec<Gap> = history::gaps(&rig.server)?.into_iter().filter(|gap| gap.to_ns > since).collect();
    // A gap of storing says that what happened is known, and shall be in the timeline by now, unless it names losses.
    let blind = |gap: &&Gap| gap.reason != "not_stored" || !gap.lost.is_empty();
    let covered = |made: &Made| {
        let meets = |gap: &Gap| gap.from_ns <= made.to_ns + MS && made.from_ns <= gap.to_ns + MS;
        gaps.iter().filter(blind).any(meets)
    };
    let lost: Vec<&Made> = missing.iter().filter(|made| !covered(made)).copied().collect();
    let lost = lost_words(&lost, &changes);
    let reasons: Vec<&str> = gaps.iter().map(|gap| gap.reason.as_str()).collect();
    let unseen: i64 = gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
    let note = format!(
        "of {} events; {} not recorded, in {} gaps ({}) of {:.1} s in all",
        made.len(),
        missing.len(),
        gaps.len(),
        reasons.join(", "),
        seconds(unseen)
    );
    let mut at_end = Line::none_of("burst.wrong_end_state", &wrong_names(rig)?);
    if at_end.note.is_empty() {
        at_end = at_end.noted("names after the burst");
    }
    let peak = watch.peak_mib();
    let memory = Line::at_most("burst.peak_pss", peak, "MiB", 96.0);
    let lost_line = Line::none_of("burst.lost_without_a_gap", &lost);
    let detail = lost_line.note.clone();
    Ok(vec![
        lost_line.noted(format!("{note}{}{detail}", if detail.is_empty() { "" } else { "; lost: " })),
        at_end,
        if memory.holds() { memory } else { memory.noted(memory_words(rig.server.pid())) },
        Line::shown("burst.rate", count(made.len()) / seconds(took), "events/s"),
    ])
}

/// Lost events; of the first one's container also what is recorded.
fn lost_words(lost: &[&Made], changes: &[Change]) -> Vec<String> {
    let mut words: Vec<String> = lost.iter().map(|made| format!("{:.12} {}", made.id, made.words)).collect();
    if let (Some(first), Some(text)) = (lost.first(), words.first_mut()) {
        let of_it = changes.iter().filter(|change| change.uid == first.id);
        let recorded: Vec<&str> = of_it.map(|change| change.words.as_str()).take(20).collect();
        text.push_str(&format!(" (recorded of it: {})", recorded.join(", ")));
    }
    words
}

/// Events without a record of their words from their time. A comparison (the one after a gap) tells of them with its
/// own time, a little later: such a record counts for one event, like any other.
fn missing<'a>(made: &'a [Made], changes: &'a [Change]) -> Vec<&'a Made> {
    let mut recorded: HashMap<(&str, &str, &str), Vec<i64>> = HashMap::new();
    for change in changes {
        let key = (change.uid.as_str(), change.attribute.as_str(), change.words.as_str());
        recorded.entry(key).or_default().push(change.occurred_ns);
    }
    let mut missing: Vec<&Made> = made.iter().collect();
    for late in [0, COMPARED] {
        missing.retain(|made| {
            // A stamp is cut to milliseconds.
            let fits = |at: &i64| (made.from_ns - MS..=made.to_ns + late).contains(at);
            let stamps = recorded.get_mut(&(made.id.as_str(), made.attribute, made.words.as_str()));
            let found = stamps.and_then(|stamps| Some(stamps.remove(stamps.iter().position(fits)?)));
            found.is_none()
        });
    }
    missing
}

/// Containers that Hinomi knows by another name than dockerd does.
fn wrong_names(rig: &Rig) -> Result<Vec<String>> {
    let listed = rig.engine.call("GET", "/containers/json?all=1", &Value::Null)?;
    let workloads = rig.server.get("/api/hinomi/v1/workloads")?;
    let mut known = HashMap::new();
    for workload in workloads["workloads"].as_array().into_iter().flatten() {
        for instance in workload["instances"].as_array().into_iter().flatten() {
            let resource = &instance["resource"];
            let state = instance["state"].as_str().unwrap_or_default();
            known.insert(
                resource["uid"].as_str().unwrap_or_default().to_owned(),
                (resource["name"].clone(), state),
            );
        }
    }
    let mut wrong = Vec::new();
    for container in listed.as_array().into_iter().flatten() {
        let id = container["Id"].as_str().unwrap_or_default();
        let name = container["Names"][0].as_str().unwrap_or_default().trim_start_matches('/');
        match known.get(id) {
            Some((known, state)) if known == name && *state == container["State"] => {}
            Some((known, state)) => {
                wrong.push(format!("{name} ({}) is known as {known} ({state})", container["State"]));
            }
            None => wrong.push(format!("{name} is not known")),
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_found_by_words_and_time_and_only_once() {
        let made = |words: &str, from_ms: i64, to_ms: i64| Made {
            id: "a".to_owned(),
            attribute: "name",
            words: words.to_owned(),
            from_ns: from_ms * MS,
            to_ns: to_ms * MS,
        };
        let change = |words: &str, at_ms: i64| Change {
            seq: 1,
            uid: "a".to_owned(),
            attribute: "name".to_owned(),
            words: words.to_owned(),
            occurred_ns: at_ms * MS,
            observed_ns: 0,
        };
        let all = [made("x", 10, 12), made("x", 13, 14), made("y", 15, 16)];
        let texts = |changes: &[Change]| {
            missing(&all, changes).iter().map(|made| made.from_ns / MS).collect::<Vec<_>>()
        };
        assert_eq!(texts(&[change("x", 11), change("x", 13), change("y", 15)]), Vec::<i64>::new());
        assert_eq!(texts(&[change("x", 13), change("y", 15)]), [10]);
        assert_eq!(texts(&[change("x", 11), change("x", 20)]), [15], "a comparison told of the second");
        assert_eq!(texts(&[change("x", 11), change("x", 2000)]), [13, 15]);
    }
}
