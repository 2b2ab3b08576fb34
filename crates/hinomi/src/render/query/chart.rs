//! A range query's answer as a chart of characters: lines in braille, told apart by colour and letter.
//!
//! Without colours several lines are drawn by their letters, so that no colour says what no letter does.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::style::{self, Paint};
use super::{series, table};
use crate::query::Range;
use crate::query::{Labels, Stream};
use crate::terminal::Page;

/// More lines are no picture; the others are counted.
const LINES_MAX: usize = 12;
/// Columns beside the picture and the axis' texts: the axis, two letters, and a sign that there are more.
const ROOM: usize = 6;
/// Rows of characters.
const HEIGHT: usize = 14;
/// Marks of the axis of values, at most.
const MARKS: f64 = 5.0;
/// Dots of a character of braille, across and down.
const ACROSS: usize = 2;
const DOWN: usize = 4;
/// Bits of the dots of a column, from the top: left, right.
const BITS: [[u8; DOWN]; ACROSS] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const BRAILLE: u32 = 0x2800;
/// Points that lie further apart than so many steps are not joined.
const GAP: f64 = 1.5;
const INKS: [&str; 6] = ["36", "33", "35", "32", "34", "31"];

/// A line: letter, labels, points.
struct Line<'a> {
    letter: char,
    labels: &'a Labels,
    /// Seconds since the epoch and values.
    points: Vec<(f64, f64)>,
}

/// The chart, its axes and what its lines are.
pub(crate) fn text(page: &Page, streams: &[Stream], range: Range) -> String {
    if streams.is_empty() {
        return "No series match.\n".to_owned();
    }
    let (lines, left_out) = lines(streams);
    let mut out = String::new();
    if !lines.is_empty() {
        let values = lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let axis = Axis::of(low, high);
        let width = page.width.saturating_sub(axis.width + ROOM).max(10);
        let canvas = Canvas::draw(&lines, &axis, range, width, page.colour || lines.len() == 1);
        out.push_str(&canvas.rows(page, &lines, &axis));
        out.push_str(&times(page, range, axis.width, width));
        out.push_str(&legend(page, &lines));
    }
    if left_out > 0 {
        out.push_str(&format!(
            "{left_out} more series are not drawn: those with the highest last values are. topk(10, …) or sum by (…) narrows it.\n"
        ));
    }
    let histograms = streams.iter().filter(|stream| stream.values.is_empty()).count();
    if histograms > 0 {
        out.push_str(&format!(
            "{histograms} series of native histograms are not drawn: try histogram_quantile(0.9, …).\n"
        ));
    }
    out
}

/// The lines with the highest last values, in the order of the answer, and how many are left out.
fn lines(streams: &[Stream]) -> (Vec<Line<'_>>, usize) {
    let finite = |stream: &Stream| {
        let points = stream.values.iter().filter_map(|(at, value)| Some((*at, value.parse::<f64>().ok()?)));
        points.filter(|(_, value)| value.is_finite()).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = streams
        .iter()
        .enumerate()
        .map(|(at, stream)| (at, stream, finite(stream)))
        .filter(|(_, _, points)| !points.is_empty())
        .collect();
    let last = |points: &[(f64, f64)]| points.last().map_or(f64::NEG_INFINITY, |point| point.1);
    all.sort_by(|a, b| last(&b.2).total_cmp(&last(&a.2)));
    let left_out = all.len().saturating_sub(LINES_MAX);
    all.truncate(LINES_MAX);
    all.sort_by_key(|(at, _, _)| *at);
    let lines = all.into_iter().zip('A'..='Z');
    let lines = lines.map(|((_, stream, points), letter)| Line { letter, labels: &stream.metric, points });
    (lines.collect(), left_out)
}

/// The axis of values: from a round number to another.
struct Axis {
    low: f64,
    high: f64,
    /// Value and text, from below.
    marks: Vec<(f64, String)>,
    /// Columns that the widest text takes.
    width: usize,
}

impl Axis {
    fn of(low: f64, high: f64) -> Self {
        // From zero, unless the values are far from it and close to each other.
        let near = |edge: f64, other: f64| (other - edge).abs() >= 0.5 * other.abs();
        let (from, to) = match () {
            () if low >= 0.0 && near(low, high) => (0.0, high),
            () if high <= 0.0 && near(high, low) => (low, 0.0),
            () => (low, high),
        };
        let (from, to) = match to - from {
            room if room > to.abs().max(from.abs()) * 1e-12 => (from, to),
            _ if to == 0.0 => (0.0, 1.0),
            _ => (low.min(0.0), high.max(0.0)),
        };
        let step = round((to - from) / MARKS);
        let (first, last) = ((from / step + 1e-9).floor(), (to / step - 1e-9).ceil());
        let count = cell(last - first, 20);
        let marks: Vec<(f64, String)> = (0..=count)
            .map(|at| (first + at as f64) * step)
            .map(|value| (value, series::short(if value.abs() < step / 1e6 { 0.0 } else { value })))
            .collect();
        let width = marks.iter().map(|(_, text)| style::columns(text)).max().unwrap_or(0);
        Self { low: first * step, high: last * step, marks, width }
    }

    /// Where a value is between bottom (0) and top (1).
    fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 of a power of ten, at least this.
fn round(least: f64) -> f64 {
    let power = 10_f64.powf((least.log10() + 1e-9).floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// A whole number from 0 to `most`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it lies between two numbers that a usize can be"
)]
pub(crate) fn cell(value: f64, most: usize) -> usize {
    value.round().clamp(0.0, most as f64) as usize
}

/// A character of the picture.
#[derive(Clone, Copy, Default)]
struct Cell {
    bits: u8,
    letter: Option<char>,
    /// Whose it is: the line that was drawn last.
    line: usize,
}

impl Cell {
    fn sign(&self) -> char {
        match (self.letter, self.bits) {
            (Some(letter), _) => letter,
            (None, 0) => ' ',
            (None, bits) => char::from_u32(BRAILLE + u32::from(bits)).unwrap_or(' '),
        }
    }
}

struct Canvas {
    width: usize,
    cells: Vec<Cell>,
    /// The row of each line's last point.
    ends: Vec<usize>,
}

impl Canvas {
    fn draw(lines: &[Line<'_>], axis: &Axis, range: Range, width: usize, braille: bool) -> Self {
        let mut canvas = Self { width, cells: vec![Cell::default(); width * HEIGHT], ends: Vec::new() };
        let (dots_x, dots_y) = if braille { (width * ACROSS, HEIGHT * DOWN) } else { (width, HEIGHT) };
        let (from, length) = (range.from as f64 / 1e3, ((range.to - range.from) as f64 / 1e3).max(1e-3));
        let gap = range.step as f64 / 1e3 * GAP;
        for (index, line) in lines.iter().enumerate() {
            let place = |(at, value): (f64, f64)| {
                let x = cell((at - from) / length * (dots_x - 1) as f64, dots_x - 1);
                let y = cell((1.0 - axis.place(value)) * (dots_y - 1) as f64, dots_y - 1);
                (x, y)
            };
            let mut before: Option<(f64, (usize, usize))> = None;
            for point in &line.points {
                let here = place(*point);
                match before {
                    Some((at, there)) if braille && point.0 - at <= gap => canvas.join(there, here, index),
                    _ if braille => canvas.dot(here, index),
                    _ => canvas.write(here, line.letter, index),
                }
                before = Some((point.0, here));
            }
            let end = before.map_or(0, |(_, (_, y))| if braille { y / DOWN } else { y });
            canvas.ends.push(end);
        }
        canvas
    }

    fn at(&mut self, x: usize, y: usize) -> Option<&mut Cell> {
        let width = self.width;
        self.cells.get_mut(y * width + x.min(width.saturating_sub(1)))
    }

    fn dot(&mut self, (x, y): (usize, usize), line: usize) {
        let bit = BITS.get(x % ACROSS).and_then(|column| column.get(y % DOWN)).copied().unwrap_or(0);
        if let Some(cell) = self.at(x / ACROSS, y / DOWN) {
            cell.bits |= bit;
            cell.line = line;
        }
    }

    fn write(&mut self, (x, y): (usize, usize), letter: char, line: usize) {
        if let Some(cell) = self.at(x, y) {
            // Several lines in one place.
            cell.letter = Some(if cell.letter.is_some_and(|other| other != letter) { '*' } else { letter });
            cell.line = line;
        }
    }

    /// All dots between two points.
    fn join(&mut self, from: (usize, usize), to: (usize, usize), line: usize) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, at: usize| {
            let part = at as f64 / steps as f64;
            cell((b as f64 - a as f64).mul_add(part, a as f64), a.max(b))
        };
        for at in 0..=steps {
            self.dot((between(from.0, to.0, at), between(from.1, to.1, at)), line);
        }
    }

    /// The picture with the axis at its left, and the letters of the lines at its right.
    fn rows(&self, page: &Page, lines: &[Line<'_>], axis: &Axis) -> String {
        let row_of = |value: f64| cell((1.0 - axis.place(value)) * (HEIGHT - 1) as f64, HEIGHT - 1);
        let mut out = String::new();
        for (y, row) in self.cells.chunks(self.width.max(1)).enumerate() {
            let mark =
                axis.marks.iter().find(|(value, _)| row_of(*value) == y).map(|(_, text)| text.as_str());
            let blank = axis.width - mark.map_or(0, style::columns);
            let label = format!("{}{}", " ".repeat(blank), mark.unwrap_or_default());
            let picture = painted(page, lines, row);
            let ends: BTreeSet<usize> =
                self.ends.iter().enumerate().filter(|(_, end)| **end == y).map(|(line, _)| line).collect();
            let ends: Vec<String> = ends
                .iter()
                .filter_map(|line| Some(ink(page, *line, &lines.get(*line)?.letter.to_string())))
                .collect();
            let more = if ends.len() > 2 { "…" } else { "" };
            let line = format!(
                "{label} {}{picture} {}{more}",
                if mark.is_some() { '┤' } else { '│' },
                ends.iter().take(2).cloned().collect::<String>()
            );
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A row; what is of one line and stands together is coloured together.
fn painted(page: &Page, lines: &[Line<'_>], row: &[Cell]) -> String {
    let is_one = |a: &Cell, b: &Cell| a.line == b.line && (a.sign() == ' ') == (b.sign() == ' ');
    let mut out = String::new();
    for run in row.chunk_by(is_one) {
        let signs: String = run.iter().map(Cell::sign).collect();
        match run.first() {
            Some(cell) if lines.len() > 1 && cell.sign() != ' ' => {
                out.push_str(&ink(page, cell.line, &signs));
            }
            _ => out.push_str(&signs),
        }
    }
    out
}

/// The text in the colour of a line.
fn ink(page: &Page, line: usize, text: &str) -> String {
    match INKS.get(line % INKS.len()) {
        Some(code) if page.colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        _ => text.to_owned(),
    }
}

/// The axis of times: begin, middle and end.
fn times(page: &Page, range: Range, left: usize, width: usize) -> String {
    let long = range.to - range.from > 86_400_000;
    let short = range.to - range.from < 600_000;
    let said = |ms: i64| {
        let at = Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned_datetime(page.zone.clone());
        at.strftime(if long {
            "%m-%d %H:%M"
        } else if short {
            "%H:%M:%S"
        } else {
            "%H:%M"
        })
        .to_string()
    };
    let marks = [range.from, range.from + (range.to - range.from) / 2, range.to].map(said);
    let [begin, middle, end] = &marks;
    let room = width.saturating_sub(begin.len() + middle.len() + end.len());
    let before = (width / 2).saturating_sub(begin.len() + middle.len() / 2).min(room);
    let line = format!("{}└{}", " ".repeat(left + 1), "─".repeat(width));
    let labels = format!(
        "{}{begin}{}{middle}{}{end}",
        " ".repeat(left + 2),
        " ".repeat(before),
        " ".repeat(room - before)
    );
    format!("{line}\n{}\n", style::paint(page, Paint::Dim, &labels))
}

fn legend(page: &Page, lines: &[Line<'_>]) -> String {
    let labels: Vec<&Labels> = lines.iter().map(|line| line.labels).collect();
    let keys = series::differing(&labels);
    let shared: Vec<&str> = match labels.first() {
        Some(first) if labels.len() > 1 => {
            first.keys().map(String::as_str).filter(|key| !keys.contains(key)).collect()
        }
        _ => Vec::new(),
    };
    let row = |(index, line): (usize, &Line<'_>)| {
        let values = || line.points.iter().map(|(_, value)| *value);
        let last = line.points.last().map_or(f64::NAN, |(_, value)| *value);
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let name = series::name(line.labels, &shared);
        [ink(page, index, &line.letter.to_string()), name]
            .into_iter()
            .chain([last, low, high].map(series::short))
            .collect()
    };
    let rows: Vec<Vec<String>> = lines.iter().enumerate().map(row).collect();
    let common = if shared.is_empty() { String::new() } else { table::common(page, &labels, &keys) };
    format!("\n{common}{}", style::table(page, &["", "SERIES", "LAST", "LOWEST", "HIGHEST"], &rows, &[1]))
}
