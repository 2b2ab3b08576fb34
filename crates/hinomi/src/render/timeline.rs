//! `hinomi timeline`: one line a change, gaps clearly marked.

use super::style::{Paint, bad, columns, pad, paint, paragraph, wrap};
use super::time;
use super::why::place;
use crate::terminal::Page;
use crate::view::{Change, Timeline};

/// Widest column of names; longer ones push their line.
const NAME_MAX: usize = 32;

/// The changes.
pub(crate) fn text(page: &Page, timeline: &Timeline) -> String {
    let mut out = damages(page, timeline);
    if timeline.changes.is_empty() {
        return out + "nothing changed in this time; --since 1d looks further back\n";
    }
    if timeline.truncated {
        let hint = "older changes of this time are left out: name a resource, or raise --limit";
        out.push_str(&paint(page, Paint::Yellow, &format!("… {hint}")));
        out.push('\n');
    }
    let names = timeline
        .changes
        .iter()
        .filter(|change| change.attribute != "gap")
        .map(|c| columns(&place(&c.resource)));
    let width = names.max().unwrap_or(0).min(NAME_MAX);
    let mut day = String::new();
    for change in &timeline.changes {
        let today = time::day(page, change.observed_at);
        if today != day {
            out.push_str(&format!("{}\n", paint(page, Paint::Bold, &today)));
            day = today;
        }
        out.push_str(&line(page, change, width));
    }
    out
}

fn damages(page: &Page, timeline: &Timeline) -> String {
    let Some(first) = timeline.damages.first() else { return String::new() };
    let more = match timeline.damages.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    paragraph(page, 0, &format!("{} stored changes are damaged and left out: {first}{more}", bad(page)))
}

fn line(page: &Page, change: &Change, width: usize) -> String {
    let at = time::clock_ms(page, change.observed_at);
    if change.attribute == "gap" {
        let text = format!("═══ {} ═══", change.words);
        let lines = wrap(&text, page.width.saturating_sub(14).max(20));
        let mut out = String::new();
        for (i, line) in lines.iter().enumerate() {
            let at = if i == 0 { at.as_str() } else { "" };
            out.push_str(&format!("{}  {}\n", pad(at, 12), paint(page, Paint::Yellow, line)));
        }
        return out;
    }
    let name = pad(&place(&change.resource), width);
    let indent = 12 + 2 + width.max(columns(&name)) + 2;
    let words = paragraph(page, indent, &change.words);
    format!("{at}  {name}  {}\n", words.trim())
}
