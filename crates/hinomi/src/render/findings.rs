//! `hinomi findings`: a table, or on narrow terminals one block each.

use hinomi_model::Level;

use super::style::{Paint, good, labelled, level, paint, table};
use super::time;
use super::why::{healing_words, place};
use crate::terminal::Page;
use crate::view::{Finding, Findings};

/// Narrower pages get blocks.
const TABLE_WIDTH_MIN: usize = 160;

/// The list.
pub(crate) fn text(page: &Page, list: &Findings, all: bool) -> String {
    if list.findings.is_empty() {
        let what =
            if all { "no findings" } else { "nothing is wrong: no finding of level notice or alert is open" };
        return format!("{} {what}\n", good(page));
    }
    let mut out = if page.width >= TABLE_WIDTH_MIN {
        let titles = ["level", "since", "what", "inspection", "cause", "healing", "told"];
        let rows: Vec<Vec<String>> = list.findings.iter().map(|finding| cells(page, finding)).collect();
        table(page, &titles, &rows, &[2, 4, 5, 6])
    } else {
        list.findings.iter().map(|finding| block(page, finding)).collect()
    };
    if let Some(first) = list.findings.first() {
        out.push_str(&format!("\nmore: hinomi why {}\n", subject(finding_name(first))));
    }
    out
}

fn cells(page: &Page, finding: &Finding) -> Vec<String> {
    vec![
        mark(page, finding),
        time::local(page, finding.started_at),
        place(&finding.resource),
        finding.inspection.clone(),
        finding.cause.clone(),
        heal(page, finding),
        told(finding),
    ]
}

fn block(page: &Page, finding: &Finding) -> String {
    let since = time::since(page, finding.started_at);
    let mut out = format!("{}  {}  since {since}\n", mark(page, finding), place(&finding.resource));
    out.push_str(&labelled(page, &finding.inspection, 10, &finding.cause));
    out.push_str(&labelled(page, "healing", 10, &heal(page, finding)));
    out.push_str(&labelled(page, "told", 10, &told(finding)));
    out
}

fn mark(page: &Page, finding: &Finding) -> String {
    match finding.resolved_at {
        None => level(page, finding.level),
        Some(_) => paint(page, Paint::Dim, &format!("✓ was {}", finding.level)),
    }
}

fn heal(page: &Page, finding: &Finding) -> String {
    match finding.resolved_at {
        None => healing_words(page, &finding.healing),
        Some(at) => {
            let took = hinomi_timeline::duration_words(time::between(finding.started_at.0, at.0));
            format!("over after {took}, at {}", time::local(page, at))
        }
    }
}

fn told(finding: &Finding) -> String {
    let stored = if finding.stored { "" } else { " (not stored: the disk refuses)" };
    if finding.told.is_empty() {
        let who = if finding.level == Level::None { "nobody has to be" } else { "nobody" };
        return format!("{who}{stored}");
    }
    let names: Vec<&str> = finding.told.iter().map(|(name, _)| name.as_str()).collect();
    format!("{}{stored}", names.join(", "))
}

fn finding_name(finding: &Finding) -> String {
    let resource = &finding.resource;
    resource.workload.as_ref().map_or_else(|| resource.name.clone(), ToString::to_string)
}

/// As one argument of a shell.
fn subject(name: String) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c));
    if plain { name } else { format!("'{}'", name.replace('\'', "'\\''")) }
}
