//! PromQL, all of Prometheus 3: from the text to a checked tree and back, and from the tree to an answer.
//!
//! # In one breath
//!
//! [`parse()`] makes an [`ast::Expr`] of a text, or says everything that is wrong with it, each with its place;
//! [`mod@print`] writes a tree as Prometheus does, on one line or pretty; [`json`] is the tree for
//! `parse_query`; [`eval`] answers a tree at a point in time or at the steps of a range, from any
//! [`hinomi_model::metrics::SeriesSource`].
//!
//! # Invariants
//!
//! - Never panics, whatever the text; length, depth and errors are bounded.
//! - What parses prints, and what was printed parses to the same tree.
//! - A tree without errors is checked: arguments have the types that functions and operators take.
//! - A range query yields at each step what an instant query yields at that time.
//! - Every query has a limit on series, samples and steps, a deadline, and stops when nobody wants it any
//!   more.
//! - No clock but for the deadline and for what nodes cost where that is asked for, and no IO but through the source.
//!
//! # Not here yet
//!
//! - Rows that are not added up as they come have a place for every step, so that a series that lived shortly costs
//!   there as much as one that lasted.
//! - `quantile`, `topk` and their kin, `count_values` and operators hold all series that they look at.
//! - Exemplars.
//! - The time of a node whose rows are handed on as they come has that of reading them in it, not that of its parent; what is
//!   the same at every step is counted once at its node, and once a step above it.

pub mod ast;
pub mod eval;
pub mod function;
pub mod json;
pub mod parse;
pub mod print;

pub use parse::{Options, ParseError, ParseErrors, parse, parse_partly, parse_selector};
