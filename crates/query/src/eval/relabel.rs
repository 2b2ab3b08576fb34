//! `label_replace` and `label_join`: new labels for the same samples.

use hinomi_series::METRIC_NAME;
use regex::{Regex, RegexBuilder};

use super::QueryError;
use super::column::{Grid, Row, merge};
use super::evaluator::{Evaluator, Yield};
use super::plan::{Function, Node};

/// Most bytes that a compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Evaluator<'_> {
    /// The text that an argument is.
    pub(super) fn text(call: &Function, place: usize) -> Result<&str, QueryError> {
        match &Self::arg(call, place)?.node {
            Node::Text(text) => Ok(text),
            _ => Err(QueryError::execution(format!("an argument of function {} is no text", call.name))),
        }
    }

    fn relabelled_arg(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        match self.eval(Self::arg(call, 0)?, grid)? {
            Yield::Rows(rows) => Ok(rows),
            Yield::Scalar(_) | Yield::Text(_) => Err(QueryError::execution("an instant vector is missing")),
        }
    }

    /// Sets a label to what a pattern found in another.
    pub(super) fn label_replace(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let (target, replacement) = (Self::text(call, 1)?, Self::text(call, 2)?);
        let (source, pattern) = (Self::text(call, 3)?, Self::text(call, 4)?);
        let invalid =
            || QueryError::execution(format!("invalid regular expression in label_replace(): {pattern}"));
        let regex = anchored(pattern).ok_or_else(invalid)?;
        check_name(target, "destination", call.name)?;
        let mut rows = self.relabelled_arg(call, grid)?;
        for row in &mut rows {
            let Some(found) = regex.captures(row.labels.value(source)) else { continue };
            let mut value = String::new();
            found.expand(replacement, &mut value);
            set(row, target, &value);
        }
        merge(rows)
    }

    /// Sets a label to others joined.
    pub(super) fn label_join(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let (target, separator) = (Self::text(call, 1)?, Self::text(call, 2)?);
        let sources = (3..call.args.len()).map(|place| Self::text(call, place));
        let sources = sources.collect::<Result<Vec<&str>, QueryError>>()?;
        for source in &sources {
            check_name(source, "source", call.name)?;
        }
        check_name(target, "destination", call.name)?;
        let mut rows = self.relabelled_arg(call, grid)?;
        for row in &mut rows {
            let values: Vec<&str> = sources.iter().map(|source| row.labels.value(source)).collect();
            let value = values.join(separator);
            set(row, target, &value);
        }
        merge(rows)
    }
}

fn set(row: &mut Row, target: &str, value: &str) {
    row.labels = row.labels.with(target, value);
    if target == METRIC_NAME {
        // Whoever names a series wants the name.
        row.drop_name = false;
    }
}

fn check_name(name: &str, role: &str, function: &str) -> Result<(), QueryError> {
    // Any text will do as a name but none at all.
    if !name.is_empty() {
        return Ok(());
    }
    Err(QueryError::execution(format!("invalid {role} label name in {function}(): {name}")))
}

fn anchored(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(REGEX_BYTES_MAX).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_read_as_go_does() {
        let table = [
            ("value-$1", "value-b"),
            ("$0", "a-b"),
            ("${1}x", "bx"),
            ("$1x", ""),
            ("$$1", "$1"),
            ("cost: 5$", "cost: 5$"),
            ("${", "${"),
        ];
        let regex = anchored("a-(.*)").expect("a valid pattern");
        for (replacement, expected) in table {
            let mut value = String::new();
            regex.captures("a-b").expect("a match").expand(replacement, &mut value);
            assert_eq!(value, expected, "{replacement}");
        }
    }
}
