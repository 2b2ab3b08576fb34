//! Rows one by one: what selectors and functions over ranges yield is handed on as it comes, so that an aggregation
//! holds one row at a time, and only the steps at which its series lived.

use std::time::Duration;

use hinomi_series::Labels;

use super::QueryError;
use super::column::{Column, Grid, Row, nameless};
use super::evaluator::Evaluator;
use super::plan::{Node, Plan};
use super::range::RangeFunction;
use crate::ast::Edges;

/// A row on its way.
pub(super) struct Streamed<'r> {
    /// As stored.
    pub(super) labels: &'r Labels,
    /// Whether what says what the metric is has to be left out of the labels.
    pub(super) nameless: bool,
    /// As [`Row::drop_name`].
    pub(super) drop_name: bool,
    /// Place of the step at which the column begins.
    pub(super) at: usize,
    /// Samples of the steps from there on; whoever takes it leaves an empty one.
    pub(super) column: &'r mut Column,
}

impl Streamed<'_> {
    /// The row by itself, on a grid of `len` steps.
    pub(super) fn into_row(self, len: usize) -> Row {
        let labels = if self.nameless { nameless(self.labels) } else { self.labels.clone() };
        Row { labels, drop_name: self.drop_name, column: self.column.take_spread(self.at, len) }
    }
}

impl Evaluator<'_> {
    /// Evaluates what yields rows, and hands each of them on.
    pub(super) fn stream(
        &mut self,
        plan: &Plan,
        grid: Grid,
        each: &mut dyn FnMut(&mut Self, Streamed<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        match &plan.node {
            _ if !self.begins(grid)? => Ok(()),
            Node::Select(selector) if selector.edges != Edges::Smoothed => {
                self.counted(plan, each, |evaluator, each| evaluator.each_newest_row(selector, grid, each))
            }
            Node::Call(call) => match RangeFunction::of_stored(call) {
                Some((function, place)) => self.counted(plan, each, |evaluator, each| {
                    evaluator.each_window_row(call, function, place, grid, each)
                }),
                None => self.each_of_rows(plan, grid, each),
            },
            _ => self.each_of_rows(plan, grid, each),
        }
    }

    fn each_of_rows(
        &mut self,
        plan: &Plan,
        grid: Grid,
        each: &mut dyn FnMut(&mut Self, Streamed<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for mut row in self.rows(plan, grid)? {
            self.check()?;
            let (labels, drop_name) = (&row.labels, row.drop_name);
            let column = &mut row.column;
            each(self, Streamed { labels, nameless: false, drop_name, at: 0, column })?;
        }
        Ok(())
    }

    /// The rows of a selector, together.
    pub(super) fn collected(&mut self, plan: &Plan, grid: Grid) -> Result<Vec<Row>, QueryError> {
        if let Node::Select(selector) = &plan.node
            && selector.edges == Edges::Smoothed
        {
            let begun = self.begin_node();
            let rows = self.smoothed(selector, plan.pos, grid)?;
            self.end_node(begun, plan, rows.len(), Duration::ZERO);
            return Ok(rows);
        }
        let mut rows = Vec::new();
        self.stream(plan, grid, &mut |evaluator, row| {
            let row = row.into_row(grid.len);
            evaluator.hold(row.column.cost())?;
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }
}
