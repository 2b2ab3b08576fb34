//! What it costs to take the metrics of clusters by remote write, beside another server in the same run.

use anyhow::Result;
use serde_json::Value;

use crate::load::{Load, Target, number};
use crate::{Form, Line};

/// A fleet whose metrics are written.
struct Fleet {
    name: &'static str,
    command: &'static str,
    /// Nodes, pods of each, hours of data.
    full: (u32, u32, f64),
    short: (u32, u32, f64),
    /// Seconds of processor time for a million samples.
    cpu: f64,
    /// Resident memory, MB.
    memory: f64,
}

/// Three loads: few series for long, many for a moment, and series that come and go.
const FLEETS: [Fleet; 3] = [
    Fleet {
        name: "std",
        command: "metrics-ingest",
        full: (2, 12, 24.0),
        short: (2, 12, 3.0),
        cpu: 0.45,
        memory: 245.0,
    },
    Fleet {
        name: "wide",
        command: "metrics-ingest",
        full: (24, 30, 0.25),
        short: (6, 30, 0.25),
        cpu: 1.0,
        memory: 402.0,
    },
    Fleet {
        name: "churn",
        command: "churn",
        full: (4, 24, 1.0),
        short: (4, 24, 0.5),
        cpu: 1.5,
        memory: 520.0,
    },
];

/// Measures.
///
/// # Errors
///
/// When a server does not start or the load generator cannot be had.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let load = Load::find()?;
    let mut lines = Vec::new();
    for fleet in &FLEETS {
        let ours = write(&load, fleet, form, &Target::hinomi()?)?;
        lines.extend(judge(fleet, form, &ours));
        // The short form is for changes of Hinomi.
        if form == Form::Full {
            lines.push(beside(&load, fleet, form, &ours)?);
        }
    }
    Ok(lines)
}

fn write(load: &Load, fleet: &Fleet, form: Form, target: &Target) -> Result<Value> {
    let (nodes, pods, hours) = form.pick(fleet.full, fleet.short);
    let [nodes, pods] = [nodes, pods].map(|number| number.to_string());
    let settle = form.pick("90", "6");
    let args = ["--nodes", &nodes, "--pods", &pods, "--hours", &hours.to_string(), "--settle", settle];
    load.run(fleet.command, target, &args)
}

fn judge(fleet: &Fleet, form: Form, result: &Value) -> Vec<Line> {
    let name = |what: &str| format!("ingest.{}.{what}", fleet.name);
    let of = |key: &str| number(result, key);
    let samples = of("samples");
    let series = of("active_series") + of("churned_series");
    let (nodes, pods, hours) = form.pick(fleet.full, fleet.short);
    let note = format!(
        "{nodes} nodes with {pods} pods, {hours} h: {:.1} million samples of {series} series, {:.0}/s; {:.2} s before \
         it settled; p99 of the requests {:.0} ms; {} rejected, {} sent again",
        samples / 1e6,
        of("samples_per_s"),
        of("cpu_s_per_msample_ingest"),
        of("request_p99_ms"),
        of("rejected_samples"),
        of("retries"),
    );
    let memory = format!("anonymous {:.0} MB", of("peak_anon_bytes") / 1e6);
    let mut lines = vec![
        Line::at_most(&name("cpu"), of("cpu_s_per_msample_settled"), "s per million samples", fleet.cpu)
            .noted(note),
        Line::at_most(&name("memory"), of("peak_rss_bytes") / 1e6, "MB", fleet.memory).noted(memory),
    ];
    let disk = of("disk_bytes_per_sample");
    if fleet.command == "churn" {
        let each = disk * samples / series;
        lines.push(Line::at_most(&name("disk"), each, "B per series", 150.0).noted("its samples included"));
    } else if fleet.name == "std" && form == Form::Full {
        lines.push(Line::at_most(&name("disk"), disk, "B per sample", 0.8));
    } else {
        lines.push(Line::shown(&name("disk"), disk, "B per sample").noted("much of it still in the log"));
    }
    let (written, wire) = (of("written_bytes_per_sample"), of("wire_bytes_per_sample"));
    let note = format!("{written:.2} B written to disk and {wire:.2} B received per sample");
    lines.push(Line::at_most(&name("written"), written / wire, "× received", 2.0).noted(note));
    lines
}

/// The same load on a peer.
fn beside(load: &Load, fleet: &Fleet, form: Form, ours: &Value) -> Result<Line> {
    let name = format!("ingest.{}.peer_cpu", fleet.name);
    let Some(peer) = Target::victoria()? else {
        return Ok(
            Line::shown(&name, f64::NAN, "s per million samples").noted("no VictoriaMetrics on this machine")
        );
    };
    let theirs = write(load, fleet, form, &peer)?;
    let ratio = |key: &str| number(ours, key) / number(&theirs, key);
    let note = format!(
        "{}; Hinomi takes {:.2} of its processor time, {:.2} of its memory ({:.0} MB), {:.2} of its disk ({:.2} B per \
         sample)",
        peer.name,
        ratio("cpu_s_per_msample_settled"),
        ratio("peak_rss_bytes"),
        number(&theirs, "peak_rss_bytes") / 1e6,
        ratio("disk_bytes_per_sample"),
        number(&theirs, "disk_bytes_per_sample"),
    );
    let cpu = number(&theirs, "cpu_s_per_msample_settled");
    Ok(Line::shown(&name, cpu, "s per million samples").noted(note))
}
