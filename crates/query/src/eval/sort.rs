//! `sort` and its kin, which only an instant query shows, and the natural order of texts.

use std::cmp::Ordering;

use hinomi_series::{Labels, Value};

use super::QueryError;
use super::column::{Column, Grid, Row};
use super::evaluator::Evaluator;
use super::notes::Note;
use super::plan::Function;

impl Evaluator<'_> {
    /// Puts series in order.
    pub(super) fn sort(&mut self, call: &Function, pos: u32, grid: Grid) -> Result<Vec<Row>, QueryError> {
        if !self.instant {
            self.note(Note::SortInRange, pos);
        }
        let mut rows = self.rows(Self::arg(call, 0)?, grid)?;
        match call.name {
            "sort" => by_value(&mut rows, false),
            "sort_desc" => by_value(&mut rows, true),
            name => {
                let labels = (1..call.args.len()).map(|place| Self::text(call, place));
                let labels = labels.collect::<Result<Vec<&str>, QueryError>>()?;
                rows.sort_by(|a, b| by_labels(&a.labels, &b.labels, &labels));
                if name == "sort_by_label_desc" {
                    rows.reverse();
                }
            }
        }
        Ok(rows)
    }
}

/// By the number at the first step; NaNs go last, histograms go.
fn by_value(rows: &mut Vec<Row>, descending: bool) {
    for row in rows.iter_mut() {
        if matches!(row.column, Column::Mixed(_)) {
            row.column.map_floats(|value| value);
        }
    }
    rows.retain(|row| !row.column.is_empty());
    let first = |row: &Row| row.column.at(0).as_ref().and_then(Value::as_float).unwrap_or(f64::NAN);
    rows.sort_by(|a, b| {
        let (a, b) = (first(a), first(b));
        let order = if descending { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
        order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
}

fn by_labels(a: &Labels, b: &Labels, names: &[&str]) -> Ordering {
    let pairs = names.iter().map(|name| (a.value(name), b.value(name)));
    pairs
        .filter(|(a, b)| a != b)
        .map(|(a, b)| natural(a, b))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.cmp(b))
}

/// Order of texts in which numbers count as numbers: `v2` before `v10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let ((chunk, rest), (other, other_rest)) = (chunk(left), chunk(right));
        if chunk.is_empty() || other.is_empty() {
            // The shorter text goes first; equal numbers with leading zeros are told apart by their texts.
            return chunk.is_empty().cmp(&other.is_empty()).reverse().then_with(|| a.cmp(b));
        }
        let order = match (is_number(chunk), is_number(other)) {
            (true, true) => by_number(chunk, other),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => chunk.cmp(other),
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (rest, other_rest);
    }
}

/// The digits at the begin of a text, or what stands before the first digit.
fn chunk(text: &str) -> (&str, &str) {
    let number = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != number).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_count_as_numbers() {
        let sorted =
            ["", "1.2.3", "1.11.3", "1.111.3", "4m5", "4m600", "4m1000", "a", "a1", "a02", "a10", "b"];
        for pair in sorted.windows(2) {
            let [a, b] = pair else { continue };
            assert_eq!(natural(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(natural(b, a), Ordering::Greater, "{a} {b}");
        }
        assert_eq!(natural("a1", "a1"), Ordering::Equal);
    }
}
