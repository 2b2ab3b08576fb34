//! `hinomi why`: the paragraph, the stage strip, healing, evidence, log, what changed.

use hinomi_model::{Level, Outcome};

use super::style::{Paint, good, heading, healing, labelled, level, pad, paint, paragraph};
use super::time;
use crate::terminal::Page;
use crate::view::{ContainerWhy, Finding, Healing, Log, Resource, StageView, Stamp, Why};

/// Log lines shown without `-v`.
const LOG_LINES: usize = 20;
/// Containers shown in full without `-v`.
const CONTAINERS: usize = 3;

/// The whole answer.
pub(crate) fn text(page: &Page, why: &Why, verbose: bool) -> String {
    let mut out = format!("{}\n\n", headline(page, why));
    out.push_str(&paragraph(page, 0, &why.paragraph));
    for finding in &why.findings {
        out.push_str(&about(page, finding));
    }
    let shown = if verbose { usize::MAX } else { CONTAINERS };
    for container in why.containers.iter().take(shown) {
        out.push_str(&one(page, container, why, verbose));
    }
    if why.containers.len() > shown {
        out.push_str(&format!("\n{} more containers; -v shows all\n", why.containers.len() - shown));
    }
    out
}

fn headline(page: &Page, why: &Why) -> String {
    let name = paint(page, Paint::Bold, &why.name);
    let worst = why.findings.iter().max_by_key(|finding| finding.level);
    match worst {
        Some(finding) => {
            format!("{}  {name}  since {}", level(page, finding.level), time::since(page, finding.started_at))
        }
        None if why.deviates => format!("{}  {name}", level(page, Level::None)),
        None => {
            let state = why.containers.first().map_or("unknown", |container| container.state.as_str());
            let sign = if state == "running" { good(page) } else { paint(page, Paint::Dim, "·") };
            format!("{sign} {state}  {name}")
        }
    }
}

fn about(page: &Page, finding: &Finding) -> String {
    let mut out =
        format!("\n{}", heading(page, &format!("{} {}", finding.inspection, place(&finding.resource))));
    let labels = finding.evidence.facts.iter().map(|(label, _)| super::style::columns(label));
    let width = labels.chain([7]).max().unwrap_or(7).min(28);
    out.push_str(&labelled(page, "healing", width, &healing_words(page, &finding.healing)));
    if !finding.stored {
        out.push_str(&labelled(
            page,
            "stored",
            width,
            "no: the disk refuses; this is known from memory only",
        ));
    }
    for (label, value) in &finding.evidence.facts {
        out.push_str(&labelled(page, label, width, value));
    }
    out
}

/// Who heals, how it goes, when it tries again.
pub(crate) fn healing_words(page: &Page, it: &Healing) -> String {
    if it.healer == "nobody" {
        return "nobody heals it: a person has to".to_owned();
    }
    let mut words = it.healer.clone();
    if !it.action.is_empty() {
        words.push_str(&format!(": {}", it.action));
    }
    words.push_str(&format!(", {}", healing(it.state)));
    match it.tries {
        0 => {}
        1 => words.push_str(", tried once"),
        tries => words.push_str(&format!(", tried {tries} times in a row")),
    }
    if let Some(at) = it.next_try_at.filter(|at| at.0 > page.now) {
        words.push_str(&format!(", next try {} ({})", time::ahead(page, at), time::local(page, at)));
    }
    words
}

fn one(page: &Page, container: &ContainerWhy, why: &Why, verbose: bool) -> String {
    let mut out = String::from("\n");
    let title = match container.attempt {
        0 => format!("{}: {}", container.resource.name, container.state),
        n => format!("{}: {}, launch {n}", container.resource.name, container.state),
    };
    out.push_str(&heading(page, &title));
    out.push_str(&strip(page, &container.stages));
    if !container.changes.is_empty() {
        out.push_str(&section(page, "what changed"));
        for (at, words) in &container.changes {
            out.push_str(&change(page, *at, words));
        }
    }
    let of_finding = || {
        let mine = why.findings.iter().filter(|finding| finding.resource.name == container.resource.name);
        mine.filter_map(|finding| finding.evidence.log.as_ref()).next()
    };
    if let Some(tail) = container.log.as_ref().or_else(of_finding) {
        out.push_str(&log(page, tail, if verbose { usize::MAX } else { LOG_LINES }));
    }
    if !container.healed_before.is_empty() {
        out.push_str(&section(page, "healed before"));
        for words in &container.healed_before {
            out.push_str(&healed(page, words));
        }
    }
    out
}

fn section(page: &Page, title: &str) -> String {
    format!("  {}\n", paint(page, Paint::Dim, title))
}

fn change(page: &Page, at: Stamp, words: &str) -> String {
    labelled(page, &format!("  {}", time::local(page, at)), 10, words)
}

/// "STAMP: words", the stamp in the user's zone.
fn healed(page: &Page, text: &str) -> String {
    let parsed = text.split_once(": ").and_then(|(at, words)| Some((at.parse().ok()?, words)));
    match parsed {
        Some((at, words)) => change(page, Stamp(at), words),
        None => paragraph(page, 4, text),
    }
}

/// The launch in one line: `Pull ✓ 2.1 s  Start ✓ 0.3 s  Health ✗  Serve ·`; causes of failures below.
pub(crate) fn strip(page: &Page, stages: &[StageView]) -> String {
    if stages.is_empty() {
        return String::new();
    }
    let mut line = String::from(" ");
    let mut causes = String::new();
    for stage in stages {
        let (symbol, style) = match stage.outcome {
            Outcome::Pending => ("·", Paint::Dim),
            Outcome::Running => ("…", Paint::Yellow),
            Outcome::Passed => ("✓", Paint::Green),
            Outcome::Failed => ("✗", Paint::Red),
            Outcome::Unknown => ("?", Paint::Dim),
            Outcome::NotApplicable => ("–", Paint::Dim),
        };
        line.push_str(&format!(" {} {}", stage.stage.title(), paint(page, style, symbol)));
        if let Some(ms) = stage.took_ms.filter(|_| stage.outcome == Outcome::Passed) {
            line.push_str(&format!(
                " {}",
                hinomi_timeline::duration_words(std::time::Duration::from_millis(ms))
            ));
        }
        line.push(' ');
        if let Some(cause) = &stage.cause {
            causes.push_str(&paragraph(page, 4, &format!("{}: {cause}", stage.stage.title())));
        }
    }
    format!("{}\n{causes}", line.trim_end())
}

fn log(page: &Page, log: &Log, most: usize) -> String {
    let skipped = log.lines.len().saturating_sub(most);
    let title = match skipped {
        0 => "last log lines before the end".to_owned(),
        n => format!("last log lines before the end ({n} older ones: -v)"),
    };
    let mut out = section(page, &title);
    for line in log.lines.iter().skip(skipped) {
        let at = line.at.map_or_else(String::new, |at| time::local(page, at));
        // Never wrapped: a log line may be copied.
        let bar = if line.stderr { paint(page, Paint::Yellow, "!") } else { "|".to_owned() };
        out.push_str(&format!("    {} {bar} {}\n", pad(&at, 8), line.text));
    }
    if let Some(note) = &log.note {
        out.push_str(&paragraph(page, 4, &format!("({note})")));
    }
    out
}

/// Workload and container.
pub(crate) fn place(resource: &Resource) -> String {
    match &resource.workload {
        Some(workload) if workload.to_string() != resource.name => format!("{workload} ({})", resource.name),
        _ => resource.name.clone(),
    }
}
