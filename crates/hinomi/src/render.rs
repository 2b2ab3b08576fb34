//! Views to text: pure functions of the view and the page (width, colour, zone, now).
//!
//! Invariant: a colour never carries what no symbol or word says.

pub(crate) mod banner;
pub(crate) mod findings;
pub(crate) mod query;
pub(crate) mod rights;
pub(crate) mod status;
pub(crate) mod style;
pub(crate) mod time;
pub(crate) mod timeline;
pub(crate) mod why;

#[cfg(test)]
pub(crate) mod tests;
