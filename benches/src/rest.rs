//! What Hinomi costs when nothing happens: it collects the numbers of the host and of all containers every ten seconds.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::engine::container;
use crate::rig::{PssWatch, Rig, memory_words, parallel};
use crate::{Form, Line};

const CONTAINERS: usize = 50;
const CHECKED: usize = 10;
const SECOND_NS: u64 = 1_000_000_000;

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let (settle, length) = form.pick((20, 600), (5, 60));
    let rig = Rig::start("rest")?;
    parallel(4, CONTAINERS, |index| {
        let mut spec = container(&["sleep", "3600"]);
        if index < CHECKED {
            let (interval, timeout) = (5 * SECOND_NS, 2 * SECOND_NS);
            spec["Healthcheck"] =
                json!({ "Test": ["CMD", "true"], "Interval": interval, "Timeout": timeout, "Retries": 3 });
        }
        rig.engine.run(&format!("rests-{index:02}"), spec)
    })?;
    rig.wait_for_running(CONTAINERS)?;
    std::thread::sleep(Duration::from_secs(settle));

    let watch = PssWatch::start(rig.server.pid(), Duration::from_secs(2))?;
    let (began, used_before) = (Instant::now(), rig.server.cpu_seconds()?);
    std::thread::sleep(Duration::from_secs(length));
    let used = rig.server.cpu_seconds()? - used_before;
    let percent = 100.0 * used / began.elapsed().as_secs_f64();
    let cpu = format!("{used:.2} s of processor time in {length} s");
    Ok(vec![
        Line::at_most("rest.pss", watch.peak_mib(), "MiB", 100.0).noted(memory_words(rig.server.pid())),
        Line::at_most("rest.cpu", percent, "% of a core", 1.5).noted(cpu),
    ])
}
