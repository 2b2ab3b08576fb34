//! `absent` and `absent_over_time`: a series where there is none.

use hinomi_series::{Labels, METRIC_NAME, MatchOp};

use super::QueryError;
use super::column::{ABSENT, Column, Grid, Row};
use super::evaluator::Evaluator;
use super::plan::{Function, Node};

impl Evaluator<'_> {
    /// One series of ones at the steps at which the argument has no sample.
    pub(super) fn absent(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let arg = Self::arg(call, 0)?;
        let rows = self.rows(arg, grid)?;
        Ok(from_rows(&rows, &arg.node, grid))
    }
}

/// One series of ones at the steps at which no row has a sample, with the labels that the argument asks for.
pub(super) fn from_rows(rows: &[Row], arg: &Node, grid: Grid) -> Vec<Row> {
    let mut values = vec![1.0; grid.len];
    for row in rows {
        for (step, value) in values.iter_mut().enumerate() {
            if row.column.has(step) {
                *value = ABSENT;
            }
        }
    }
    let column = Column::Floats(values);
    if column.is_empty() {
        return Vec::new();
    }
    vec![Row { labels: asked_for(arg), drop_name: false, column }]
}

/// Labels that a selector wants equal to something, unless it names them twice.
fn asked_for(arg: &Node) -> Labels {
    let selector = match arg {
        Node::Once(inner) => return asked_for(&inner.node),
        Node::Select(selector) => selector,
        Node::Range(range) => &range.selector,
        _ => return Labels::empty(),
    };
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for matcher in &selector.matchers {
        let name = &*matcher.name;
        if name == METRIC_NAME {
            continue;
        }
        if matcher.op == MatchOp::Equal && !named.contains(&name) {
            wanted.push((name, &*matcher.value));
            named.push(name);
        } else {
            wanted.retain(|pair| pair.0 != name);
        }
    }
    Labels::from_pairs(wanted)
}
