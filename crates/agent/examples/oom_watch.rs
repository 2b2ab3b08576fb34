//! Prints the kernel's memory kills in given containers as JSON lines: the OOM witnesses without a runtime.
//!
//! `oom_watch [--proc DIR] [--cgroup DIR] [--tracefs DIR] [--kmsg FILE]`, then on standard input `watch ID PID`,
//! `unwatch ID`, `status`; ends at the end of input.

use std::io::Write;
use std::sync::Arc;

use hinomi_agent::oom::{Handle, Options, Service};
use hinomi_base::{clock::Clock, counters::Counters, task};
use hinomi_model::{Rejected, ResourceId, ResourceKind, Sink, StateChange, Tenant};

struct Print;

fn print(value: &impl serde::Serialize) {
    let mut out = std::io::stdout().lock();
    // A closed pipe ends the example; nobody is left to tell.
    let _closed =
        serde_json::to_writer(&mut out, value).map(|()| out.write_all(b"\n").and_then(|()| out.flush()));
}

impl Sink for Print {
    fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected> {
        for change in &changes {
            print(change);
        }
        Ok(())
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--proc" => options.proc_root = value.into(),
            "--cgroup" => options.cgroup_root = value.into(),
            "--tracefs" => options.tracefs = Some(value.into()),
            "--kmsg" => options.kmsg = value.into(),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn resource(id: &str) -> Arc<ResourceId> {
    Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: "here".to_owned(),
        kind: ResourceKind::Container,
        uid: id.to_owned(),
        name: id.chars().take(12).collect(),
        node: String::new(),
        workload: None,
    })
}

fn obey(line: &str, handle: &Handle, counters: &Counters) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["watch", id, pid] => {
            handle.watch(resource(id), id, pid.parse().map_err(|_| format!("no process {pid:?}"))?);
        }
        ["unwatch", id] => handle.unwatch(id),
        ["status"] => print(&serde_json::json!({ "status": handle.status(), "counters": counters.all() })),
        _ => return Err(format!("unknown command {line:?}")),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let counters = Counters::default();
    let (service, handle) = Service::new(options()?, Arc::new(Print), Clock::system(), counters.clone());
    let (stop, shutdown) = task::shutdown();
    let reader = task::spawn_thread("commands", move || {
        let result = std::io::stdin()
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| obey(&line, &handle, &counters));
        stop.raise();
        result
    });
    service.run(shutdown).await;
    reader.map_err(|error| error.to_string())?.join().map_err(|_| "the command reader died".to_owned())?
}
