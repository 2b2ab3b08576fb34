//! From a text to a checked tree, or to everything that is wrong with it.

mod check;
mod duration;
mod lexer;
mod message;
mod modifiers;
mod operand;
mod parser;
mod quoting;
mod selector;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;

use hinomi_series::Matcher;

use crate::ast::{Expr, Span};
pub use token::keywords;

/// Most bytes that a text may have.
pub const TEXT_MAX_BYTES: usize = 1 << 20;
/// Most levels that a tree may have: as many as find room in half of [`STACK_BYTES`], also where nothing is optimised.
pub const DEPTH_MAX: u32 = 200;
/// Stack that threads should have which parse, print or evaluate. Only what is used takes memory.
pub const STACK_BYTES: usize = 4 << 20;
/// Errors of a text that are collected; what comes behind is not looked at.
pub const ERRORS_MAX: usize = 64;

/// What of the language is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Functions, aggregations and modifiers that Prometheus calls experimental.
    pub experimental: bool,
}

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where.
    pub span: Span,
    /// What, in Prometheus' words.
    pub text: String,
}

/// What is wrong with a text: at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseErrors {
    query: String,
    errors: Vec<ParseError>,
}

impl ParseErrors {
    /// All of it, in the order in which it was found; at most [`ERRORS_MAX`].
    #[must_use]
    pub fn all(&self) -> &[ParseError] {
        &self.errors
    }
}

impl std::error::Error for ParseErrors {}

impl fmt::Display for ParseErrors {
    /// The first, with line and column, as Prometheus prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.errors.first() else { return Ok(()) };
        write!(f, "{}: parse error: {}", position(&self.query, first.span.start), first.text)
    }
}

/// Line and column of a byte of a query, both from 1; columns are bytes. This is how Prometheus points at things.
#[must_use]
pub fn position(query: &str, at: u32) -> String {
    if query.is_empty() {
        return "unknown position".to_owned();
    }
    let Some(before) = query.as_bytes().get(..at as usize) else { return "invalid position".to_owned() };
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let behind_break = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    format!("{line}:{}", before.len() - behind_break + 1)
}

/// Parses and checks an expression.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse(text: &str, options: Options) -> Result<Expr, ParseErrors> {
    let (expr, errors) = parse_partly(text, options);
    if errors.is_empty() { Ok(expr) } else { Err(ParseErrors { query: excerpt(text), errors }) }
}

/// As [`parse`], and returns what was understood even if something is wrong: [`Expr::Error`] stands where it was not.
/// For editors; such a tree must not be evaluated.
#[must_use]
pub fn parse_partly(text: &str, options: Options) -> (Expr, Vec<ParseError>) {
    if let Some(error) = too_long(text) {
        return (Expr::Error(Span::default()), vec![error]);
    }
    let mut parser = parser::Parser::new(text, options);
    let expr = parser.whole();
    let mut errors = parser.into_errors();
    if errors.is_empty() {
        errors = check::check(text, &expr);
    }
    (check::finished(expr), errors)
}

/// Parses a selector of series such as `up{job="a"}`, as it is given to the API's `match[]`. It is not checked for
/// matching everything.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseErrors> {
    if let Some(error) = too_long(text) {
        return Err(ParseErrors { query: excerpt(text), errors: vec![error] });
    }
    let mut parser = parser::Parser::new(text, Options::default());
    let selector = parser.whole_selector();
    let errors = parser.into_errors();
    if errors.is_empty() { Ok(selector.matchers) } else { Err(ParseErrors { query: excerpt(text), errors }) }
}

fn too_long(text: &str) -> Option<ParseError> {
    (text.len() > TEXT_MAX_BYTES).then(|| ParseError {
        span: Span::default(),
        text: format!("query of {} bytes is too long: at most {TEXT_MAX_BYTES}", text.len()),
    })
}

/// The text as far as positions are counted in it.
fn excerpt(text: &str) -> String {
    text.get(..TEXT_MAX_BYTES).map_or_else(|| text.to_owned(), str::to_owned)
}
