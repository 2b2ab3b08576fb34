//! Answers of PromQL: tables, charts of characters, CSV, and where a query is wrong.

pub(crate) mod chart;
pub(crate) mod csv;
pub(crate) mod series;
pub(crate) mod table;
pub(crate) mod wrong;

#[cfg(test)]
mod tests;
