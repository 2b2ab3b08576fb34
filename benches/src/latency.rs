//! From the kernel's kill for memory to the webhook's arrival.
//!
//! Every victim waits in a read from a pipe of its own, so that a kill comes when the measurement wants it and nothing
//! else happens at that moment: no start, no API call (which would be an intent). It is killed under a name of its own
//! (`comm`), by which the independent witness's stamp and the message's container meet.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use hinomi_testkit::kernel::{OomWitness, Victim};
use hinomi_testkit::process;
use hinomi_testkit::webhook::Request;
use rustix::fs::OFlags;
use serde_json::{Value, json};

use crate::engine::{Event, container};
use crate::line::count;
use crate::numbers::{Chance, percentile, seconds};
use crate::rig::{Rig, comes, parallel};
use crate::{Form, Line};

const LIMIT_BYTES: u64 = 12 << 20;
/// Pause between two kills, milliseconds: so long that dockerd, which handles each end, keeps up on two cores.
const PAUSE_MS: (u64, u64) = (250, 650);

/// The first run waits, then eats memory; a run by the restart policy just lives.
fn script(name: &str) -> String {
    format!(
        "[ -e /tmp/ran ] && exec sleep 3600; : > /tmp/ran; ln -s /bin/busybox /tmp/{name}; read x < /go/{name}; \
         exec /tmp/{name} tail /dev/zero"
    )
}

/// At most 15 bytes; busybox acts as itself under any name that begins like its own.
fn name_of(index: usize) -> String {
    format!("busybox-{index:04}")
}

fn spec(index: usize, pipes: &Path) -> Value {
    let mut spec = container(&["sh", "-c", &script(&name_of(index))]);
    spec["HostConfig"]["Binds"] = json!([format!("{}:/go", pipes.display())]);
    spec["HostConfig"]["Memory"] = json!(LIMIT_BYTES);
    spec["HostConfig"]["MemorySwap"] = json!(LIMIT_BYTES);
    let policy = match index % 4 {
        0 => "always",
        2 => "on-failure",
        _ => "no",
    };
    spec["HostConfig"]["RestartPolicy"] = json!({ "Name": policy });
    spec
}

/// Opens the pipe for writing, which goes only while the victim reads, and lets it run into its limit.
fn release(pipe: &Path) -> Result<()> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits())?;
    let open = || OpenOptions::new().write(true).custom_flags(flags).open(pipe).ok();
    let mut file = process::wait_for("reader of the pipe", Duration::from_secs(30), open)?;
    file.write_all(b"go\n").with_context(|| format!("write to {}", pipe.display()))
}

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let (victims, quiet) = form.pick((200, 50), (30, 8));
    let witness = OomWitness::start()?;
    let rig = Rig::start("latency")?;
    let events = rig.engine.events()?;
    let pipes = rig.docker.base().join("go");
    std::fs::create_dir(&pipes)?;
    let paths: Vec<PathBuf> = (0..victims).map(|index| pipes.join(name_of(index))).collect();
    process::run("mkfifo", &paths)?;
    let quiet_one = |index| rig.engine.run(&format!("quiet-{index:04}"), container(&["sleep", "3600"]));
    parallel(4, quiet, quiet_one)?;
    let ids = parallel(4, victims, |index| rig.engine.run(&name_of(index), spec(index, &pipes)))?;
    rig.wait_for_running(victims + quiet)?;

    let mut chance = Chance::stream(1);
    let mut order: Vec<usize> = (0..victims).collect();
    chance.shuffle(&mut order);
    for index in order {
        std::thread::sleep(Duration::from_millis(chance.between(PAUSE_MS.0, PAUSE_MS.1)));
        release(&paths[index])?;
    }
    let told = || first_messages(&rig.receiver.received()).len() >= victims;
    comes(Duration::from_secs(20), told);
    let kills = first_kills(&witness.victims());
    Ok(lines(&ids, &kills, &first_messages(&rig.receiver.received()), &events.all()))
}

/// By the victim's name.
fn first_kills(victims: &[Victim]) -> HashMap<String, Victim> {
    let mut first = HashMap::new();
    for victim in victims {
        first.entry(victim.comm.clone()).or_insert_with(|| victim.clone());
    }
    first
}

/// By the container's name: the first message that says that memory was the cause.
fn first_messages(requests: &[Request]) -> HashMap<String, Request> {
    let mut first = HashMap::new();
    for request in requests {
        let is_oom = request.body["inspection"] == "oom_kill" && request.body["status"] == "firing";
        if let Some(name) = request.body["resource"]["name"].as_str().filter(|_| is_oom) {
            first.entry(name.to_owned()).or_insert_with(|| request.clone());
        }
    }
    first
}

fn lines(
    ids: &[String],
    kills: &HashMap<String, Victim>,
    messages: &HashMap<String, Request>,
    events: &[Event],
) -> Vec<Line> {
    let (mut delays, mut lost, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut oom, mut die) = (Vec::new(), Vec::new());
    let mut killed = 0;
    for (index, id) in ids.iter().enumerate() {
        let name = name_of(index);
        let Some(kill) = kills.get(&name) else { continue };
        killed += 1;
        let arrival = |action: &str| {
            let event = events.iter().find(|event| event.id == *id && event.action == action);
            event.map(|event| seconds(event.arrived_ns - kill.monotonic_ns))
        };
        oom.extend(arrival("oom"));
        die.extend(arrival("die"));
        let Some(message) = messages.get(&name) else {
            lost.push(name);
            continue;
        };
        delays.push(seconds(message.monotonic_ns - kill.monotonic_ns));
        if !message.body.to_string().contains(&format!("pid {}", kill.pid)) {
            unnamed.push(name);
        }
    }
    let sum = format!("{} messages for {killed} kills", delays.len());
    let p = |name: &str, values: &[f64], percent| {
        Line::shown(&format!("latency.{name}.p{percent}"), percentile(values, percent), "s")
    };
    vec![
        Line::at_most("latency.p50", percentile(&delays, 50), "s", 0.5).noted(sum),
        Line::at_most("latency.p99", percentile(&delays, 99), "s", 3.0),
        Line::at_least("latency.kills", count(killed), "", count(ids.len()))
            .noted("by the independent witness"),
        Line::none_of("latency.untold", &lost),
        Line::none_of("latency.wrong_victim", &unnamed),
        p("dockerd_oom_event", &oom, 50).noted(format!("{} events", oom.len())),
        p("dockerd_oom_event", &oom, 99),
        p("dockerd_die_event", &die, 50).noted(format!("{} events", die.len())),
        p("dockerd_die_event", &die, 99),
    ]
}
