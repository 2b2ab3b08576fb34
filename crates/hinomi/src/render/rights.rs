//! Rights: the full table, and the compact one of the start screen.

use hinomi_agent::rights::Right;

use super::style::{Paint, good, labelled, off, paint, paragraph};
use crate::terminal::Page;

/// `hinomi agent explain-privileges`: feature, right, reason, state.
pub(crate) fn full(page: &Page, rights: &[Right]) -> String {
    let mut out = String::new();
    for right in rights {
        let (sign, state) = if right.on { (good(page), "on") } else { (off(page), "off") };
        out.push_str(&format!("{sign} {}: {state}\n", paint(page, Paint::Bold, right.feature)));
        out.push_str(&labelled(page, "right", 6, &right.right));
        out.push_str(&labelled(page, "for", 6, right.reason));
        out.push_str(&labelled(page, if right.on { "here" } else { "why" }, 6, &right.detail));
    }
    let missing = rights.iter().filter(|right| !right.on).count();
    let sum = match missing {
        0 => "This process has every right that a feature needs.".to_owned(),
        n => format!("{n} of {} features are off for this user; the others work.", rights.len()),
    };
    out.push('\n');
    out.push_str(&paragraph(page, 0, &sum));
    out
}

/// Those that are on in a line, those that are off with their reason.
pub(crate) fn compact(page: &Page, rights: &[Right], width: usize) -> String {
    let on: Vec<&str> = rights.iter().filter(|right| right.on).map(|right| right.feature).collect();
    let mut out = String::new();
    if !on.is_empty() {
        out.push_str(&labelled(page, "Features", width, &format!("on: {}", on.join(", "))));
    }
    // The collector's own line says what is wrong with the socket.
    let missing: Vec<&Right> = rights.iter().filter(|right| !right.on && right.feature != "docker").collect();
    for right in missing {
        let words = format!("{} off: {} ({})", off(page), right.feature, right.detail);
        out.push_str(&labelled(page, "", width, &words));
    }
    out
}
