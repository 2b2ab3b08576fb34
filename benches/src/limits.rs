//! Too many series and questions for everything against a small memory budget: refused by name, in bounded memory.

use anyhow::Result;
use hinomi_e2e::limits::{self, BUDGET_MIB};

use crate::line::count;
use crate::rig::mib;
use crate::{Form, Line};

/// Measures.
///
/// # Errors
///
/// When the set-up fails or Hinomi ends.
pub fn run(_same: Form) -> Result<Vec<Line>> {
    let seen = limits::bomb(1_000_000)?;
    let yes = |name: &str, holds: bool| Line::at_least(name, f64::from(u8::from(holds)), "", 1.0);
    let limit = (u64::from(BUDGET_MIB) << 20).to_string();
    let (status, words) = seen.write_refusal.unwrap_or_default();
    let named = |(status, words): &(u16, String)| {
        *status == 422 && (words.contains(&limit) || words.contains("more than"))
    };
    let questions: Vec<String> =
        seen.questions.iter().map(|(status, words)| format!("{status} {words}")).collect();
    let memory = format!("base {:.0} MiB, budget {BUDGET_MIB} MiB", mib(seen.base_kib));
    let others = format!(
        "{} writes and {} questions of another tenant beside it, {:.2} s at most",
        seen.others_written, seen.others_answered, seen.others_slowest
    );
    let mut bothered = Line::none_of("limits.others_refused", &seen.others_refused);
    bothered.note = format!("{others}; {}", bothered.note).trim_end_matches([';', ' ']).to_owned();
    Ok(vec![
        yes("limits.series_429", status == 429 && words.contains(&limit)).noted(format!("{status} {words}")),
        Line::shown("limits.series_taken", count(seen.taken), ""),
        yes("limits.question_422", seen.questions.iter().all(named)).noted(questions.join("; ")),
        Line::at_most("limits.memory", mib(seen.peak_kib), "MiB", f64::from(BUDGET_MIB) * 1.1).noted(memory),
        bothered,
    ])
}
