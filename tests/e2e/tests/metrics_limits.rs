//! A million series against a small memory budget: refused by name, in bounded memory, and nobody else is bothered.

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::limits::{self, BUDGET_MIB};

#[test]
fn a_bomb_of_series_meets_limits_that_are_named() -> Result<()> {
    let seen = limits::bomb(1_000_000)?;
    let shown = format!("{seen:#?}");
    let (status, words) = seen.write_refusal.context("a million series were taken")?;
    ensure!(status == 429 && words.contains(&(u64::from(BUDGET_MIB) << 20).to_string()), "{shown}");
    ensure!(seen.other_refusals.iter().all(|(status, _)| *status == 429), "{shown}");
    for (status, words) in &seen.questions {
        let named = words.contains("memory_max") || words.contains("series") || words.contains("samples");
        ensure!(*status == 422 && named, "{shown}");
    }
    ensure!(
        seen.others_refused.is_empty() && seen.others_written > 20 && seen.others_answered > 20,
        "{shown}"
    );
    ensure!(seen.peak_kib <= u64::from(BUDGET_MIB) * 1024 * 110 / 100, "{shown}");
    Ok(())
}
