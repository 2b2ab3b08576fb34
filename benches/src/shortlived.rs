//! Containers that live shorter than anybody polls: all of them recorded?

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::engine::{Engine, container};
use crate::history::{self, Change};
use crate::line::count;
use crate::numbers::{Chance, wall_ns};
use crate::rig::{Rig, parallel};
use crate::{Form, Line};

const THREADS: usize = 8;
/// Exit codes; each as often as the others, beside 0.
const CODES: [i64; 14] = [1, 2, 3, 7, 17, 42, 99, 125, 126, 127, 137, 143, 254, 255];
/// A recorded run may be this much shorter than the container slept, milliseconds: dockerd stamps a start after the
/// process runs, on a busy machine long after. What this finds are ends that belong to other starts.
const SLACK_MS: i64 = 500;

#[derive(Clone, Copy, Debug)]
enum Afterwards {
    Stays,
    RemovesItself,
    IsRemoved,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    ms: i64,
    code: i64,
    afterwards: Afterwards,
}

/// What dockerd answered.
struct Ran {
    id: String,
    job: Job,
    code: i64,
}

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let total = form.pick(1000, 120);
    let rig = Rig::start("shortlived")?;
    let since = wall_ns();
    let jobs = jobs(total);
    let ran = parallel(THREADS, total, |index| run_one(&rig.engine, index, jobs[index]))?;
    let took = wall_ns() - since;
    let whole = |changes: &[Change]| wrong(&ran, changes.to_vec()).is_empty();
    let changes = history::settled(&rig.server, since, Duration::from_secs(30), whole)?;
    let wrong = wrong(&ran, changes);
    let right = 100.0 * count(total - wrong.len()) / count(total);
    let note = format!("{} of {total}; {}", total - wrong.len(), shown(&wrong));
    Ok(vec![
        Line::at_least("shortlived.recorded", right, "%", 99.9).noted(note.trim_end_matches("; ")),
        Line::shown("shortlived.rate", count(total) / crate::numbers::seconds(took), "containers/s"),
    ])
}

fn shown(wrong: &[String]) -> String {
    wrong.iter().take(5).cloned().collect::<Vec<_>>().join("; ")
}

fn jobs(total: usize) -> Vec<Job> {
    let mut chance = Chance::stream(2);
    let mut job = |_| {
        let ms = i64::try_from(chance.between(100, 5000)).unwrap_or(100);
        let code = if chance.once_in(2) { 0 } else { chance.one_of(&CODES) };
        let after = [Afterwards::Stays, Afterwards::RemovesItself, Afterwards::IsRemoved];
        Job { ms, code, afterwards: chance.one_of(&after) }
    };
    (0..total).map(&mut job).collect()
}

fn run_one(engine: &Engine, index: usize, job: Job) -> Result<Ran> {
    let script = format!("sleep {}.{:03}; exit {}", job.ms / 1000, job.ms % 1000, job.code);
    let mut spec = container(&["sh", "-c", &script]);
    spec["HostConfig"]["AutoRemove"] = json!(matches!(job.afterwards, Afterwards::RemovesItself));
    let id = engine.create(&format!("short-{index:04}"), spec)?;
    let code = engine.run_to_end(&id)?;
    if matches!(job.afterwards, Afterwards::IsRemoved) {
        engine.remove(&id)?;
    }
    Ok(Ran { id, job, code })
}

/// What is not recorded as it was, in words.
fn wrong(ran: &[Ran], changes: Vec<Change>) -> Vec<String> {
    let by = history::by_container(changes);
    ran.iter().filter_map(|ran| Some(format!("{:.12}: {}", ran.id, fault(ran, &by)?))).collect()
}

fn fault(ran: &Ran, by: &HashMap<String, Vec<Change>>) -> Option<String> {
    let Some(changes) = by.get(&ran.id) else { return Some("nothing recorded".to_owned()) };
    let runs: Vec<&Change> =
        changes.iter().filter(|c| c.attribute == "phase" && c.words == "running").collect();
    let ends: Vec<&Change> = changes.iter().filter(|c| c.attribute == "exit").collect();
    let ([run], [end]) = (runs.as_slice(), ends.as_slice()) else {
        return Some(format!("{} starts and {} ends recorded", runs.len(), ends.len()));
    };
    if end.exit_code() != Some(ran.code) {
        return Some(format!("exit code {}, recorded \"{}\"", ran.code, end.words));
    }
    if end.seq < run.seq {
        return Some("its end is recorded before its start".to_owned());
    }
    let lived_ms = (end.occurred_ns - run.occurred_ns) / 1_000_000;
    (lived_ms < ran.job.ms - SLACK_MS).then(|| format!("slept {} ms, recorded {lived_ms} ms", ran.job.ms))
}
