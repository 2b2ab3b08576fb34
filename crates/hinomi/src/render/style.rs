//! Colours, symbols, wrapping, columns.

use hinomi_model::{HealingState, Level};

use super::time;
use crate::terminal::Page;

/// An ANSI style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Yellow => "33",
            Self::Green => "32",
        }
    }
}

/// The text in a style, where the page has colours.
pub(crate) fn paint(page: &Page, paint: Paint, text: &str) -> String {
    if page.colour { format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()) } else { text.to_owned() }
}

/// Symbol and word of a level.
pub(crate) fn level(page: &Page, level: Level) -> String {
    let (symbol, style) = match level {
        Level::Alert => ("✖", Paint::Red),
        Level::Notice => ("▲", Paint::Yellow),
        Level::None => ("·", Paint::Dim),
    };
    paint(page, style, &format!("{symbol} {level}"))
}

/// The sign that something is as it should be.
pub(crate) fn good(page: &Page) -> String {
    paint(page, Paint::Green, "✓")
}

/// The sign that something is not as it should be.
pub(crate) fn bad(page: &Page) -> String {
    paint(page, Paint::Red, "✗")
}

/// The sign that something is off or absent, which may be right.
pub(crate) fn off(page: &Page) -> String {
    paint(page, Paint::Yellow, "–")
}

/// How healing goes, in words.
pub(crate) fn healing(state: HealingState) -> &'static str {
    match state {
        HealingState::Working => "working",
        HealingState::Overdue => "overdue",
        HealingState::Stopped => "stopped",
        HealingState::HealerDown => "healer down",
        HealingState::Done => "done",
    }
}

/// Bytes as people read them.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

/// Columns that a text takes: styles take none, East Asian wide characters two.
pub(crate) fn columns(text: &str) -> usize {
    let mut total = 0;
    let mut in_style = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => in_style = true,
            'm' if in_style => in_style = false,
            _ if in_style => {}
            c => total += char_columns(c),
        }
    }
    total
}

fn char_columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text, with spaces up to a width.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Lines of at most `width` columns, broken between words; longer words are cut.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = columns(&line) + usize::from(!line.is_empty()) + columns(word);
        if needed <= width {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if columns(&line) + char_columns(c) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The text wrapped, every line after `indent` spaces, each with its line end.
pub(crate) fn paragraph(page: &Page, indent: usize, text: &str) -> String {
    let lines = wrap(&time::localised(page, text), page.width.saturating_sub(indent).max(20));
    lines.iter().map(|line| format!("{}{line}\n", " ".repeat(indent))).collect()
}

/// Label, then the text wrapped in a column of its own.
pub(crate) fn labelled(page: &Page, label: &str, width: usize, text: &str) -> String {
    let room = page.width.saturating_sub(width + 4).max(20);
    let mut out = String::new();
    for (i, line) in wrap(&time::localised(page, text), room).iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        out.push_str(&format!("  {}  {line}\n", pad(label, width)));
    }
    if out.is_empty() { format!("  {label}\n") } else { out }
}

/// A heading.
pub(crate) fn heading(page: &Page, text: &str) -> String {
    format!("{}\n", paint(page, Paint::Bold, text))
}

/// Rows under titles. Columns keep their natural width; the `flexible` ones share what is left and wrap.
pub(crate) fn table(page: &Page, titles: &[&str], rows: &[Vec<String>], flexible: &[usize]) -> String {
    const GAP: usize = 2;
    let natural = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(cell));
        cells.chain(titles.get(column).map(|title| columns(title))).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..titles.len()).map(natural).collect();
    let fixed: usize = (0..titles.len()).filter(|i| !flexible.contains(i)).map(natural).sum();
    let gaps = GAP * titles.len().saturating_sub(1);
    let mut room = page.width.saturating_sub(fixed + gaps);
    let mut left = flexible.len();
    // The least wide first: what it does not need is the others'.
    let mut order = flexible.to_vec();
    order.sort_by_key(|column| natural(*column));
    for column in order {
        let share = (room / left.max(1)).max(16);
        if let Some(width) = widths.get_mut(column) {
            *width = (*width).min(share);
            room = room.saturating_sub(*width);
        }
        left -= 1;
    }
    let titles: Vec<String> = titles.iter().map(|title| paint(page, Paint::Dim, title)).collect();
    let mut out = row(&titles, &widths, &[], GAP);
    for cells in rows {
        out.push_str(&row(cells, &widths, flexible, GAP));
    }
    out
}

fn row(cells: &[String], widths: &[usize], flexible: &[usize], gap: usize) -> String {
    let wrapped = |(i, cell): (usize, &String)| match widths.get(i) {
        Some(width) if flexible.contains(&i) => wrap(cell, *width),
        _ => vec![cell.clone()],
    };
    let cells: Vec<Vec<String>> = cells.iter().enumerate().map(wrapped).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for y in 0..height {
        let parts = cells
            .iter()
            .zip(widths)
            .map(|(lines, width)| pad(lines.get(y).map_or("", String::as_str), *width));
        let line = parts.collect::<Vec<_>>().join(&" ".repeat(gap));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_between_words_and_cuts_what_is_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("火の見 tower", 6), ["火の見", "tower"]);
        assert_eq!(wrap("", 5), Vec::<String>::new());
    }

    #[test]
    fn sizes() {
        let table =
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB"), (10 << 30, "10.0 GiB")];
        for (given, want) in table {
            assert_eq!(bytes(given), want);
        }
    }
}
