//! A query that is wrong, with a caret under the place.

use crate::client::printable;

/// The server's words, then the line of the query and carets.
pub(crate) fn text(message: &str, query: &str) -> String {
    let Some((place, words)) = message.split_once(": parse error: ") else { return message.to_owned() };
    let place = place.rsplit([' ', '"']).next().unwrap_or_default();
    let shown = place.split_once(':').and_then(|(line, column)| {
        let (line, column) = (line.parse::<usize>().ok()?, column.parse::<usize>().ok()?);
        excerpt(query, line.checked_sub(1)?, column.checked_sub(1)?)
    });
    match shown {
        Some(shown) => format!("the query is wrong: {words}\n{shown}"),
        None => format!("the query is wrong: {words}"),
    }
}

/// Columns count in bytes.
fn excerpt(query: &str, line: usize, column: usize) -> Option<String> {
    let line = query.split('\n').nth(line)?;
    let before = line.get(..column.min(line.len()))?;
    let rest = line.get(before.len()..)?;
    let word =
        rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.')).count().max(1);
    let blank = super::super::style::columns(&printable(before));
    Some(format!("  {}\n  {}{}", printable(line), " ".repeat(blank), "^".repeat(word)))
}
