//! SIGKILL and a full disk under the hands of writers: no acknowledged sample is lost and none is wrong.

use anyhow::Result;
use hinomi_e2e::kills::{self, Outcome, Plan};

use crate::line::count;
use crate::numbers::percentile;
use crate::{Form, Line};

const WRITERS: usize = 4;

/// Measures.
///
/// # Errors
///
/// When the set-up fails or Hinomi does not come back.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (durability, kills, stream) in [("fsync", form.pick(500, 8), 1), ("interval", form.pick(500, 4), 2)] {
        let plan = Plan { kills, writers: WRITERS, durability, stream };
        lines.extend(judge(durability, &kills::again_and_again(&plan)?));
    }
    let plan = Plan { kills: 2, writers: WRITERS, durability: "fsync", stream: 3 };
    lines.extend(judge("full_disk", &kills::full_disk(&plan)?));
    Ok(lines)
}

fn judge(name: &str, outcome: &Outcome) -> Vec<Line> {
    let mut wrong = Line::none_of(&format!("kills.{name}.lost_or_wrong"), &outcome.wrong);
    wrong.note = format!("{}; {}", outcome.words(), wrong.note).trim_end_matches([';', ' ']).to_owned();
    let ready = percentile(&outcome.ready, 99);
    let mut lines = vec![
        wrong,
        Line::at_least(&format!("kills.{name}.written"), count(outcome.acknowledged), "", 1000.0),
    ];
    if !outcome.ready.is_empty() {
        lines.push(Line::shown(&format!("kills.{name}.ready_p99"), ready, "s"));
    }
    lines
}
