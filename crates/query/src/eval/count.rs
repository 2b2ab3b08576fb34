//! What a query is counted by, where somebody asks: the samples of each step, and what each node of its tree costs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::column::Grid;
use super::evaluator::{Evaluator, Yield};
use super::plan::{Node, Plan};
use super::stream::Streamed;
use super::{QueryError, Stats};
use crate::ast::Expr;

/// How closely a query is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// In total.
    #[default]
    Totals,
    /// Step by step too.
    Steps,
    /// Step by step, and node by node: reads the clock for every series.
    Nodes,
}

/// What was counted beside totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Of each step its time, milliseconds since the epoch, and how many samples it looked at.
    pub steps: Vec<(i64, u64)>,
    /// The nodes of the query's tree in the order in which they are read; empty unless they are asked for.
    pub nodes: Vec<NodeCounts>,
}

/// A node of a query's tree.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeCounts {
    /// How far below the top.
    pub depth: usize,
    /// As PromQL.
    pub expr: String,
    /// The type of what it yields, as Prometheus names it.
    pub kind: &'static str,
    /// `None`: it was not evaluated by itself.
    pub cost: Option<NodeCost>,
}

/// What a node costs with all below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCost {
    /// Series that it yields.
    pub series: u64,
    /// Series that selectors read for it.
    pub series_read: u64,
    /// Samples that selectors read for it.
    pub samples_read: u64,
    /// Samples that its steps looked at, each as often as it was looked at.
    pub samples: u64,
    /// How long it took.
    pub time: Duration,
}

/// About so many bytes of PromQL are listed; nodes behind that are left out.
const TEXT_BYTES_MAX: usize = 1 << 18;

/// Where it stands in the query.
type Place = (u32, u32);

/// What is counted while a query is evaluated.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Samples by step; empty if nobody wants to know.
    pub(super) steps: Vec<u64>,
    /// By place in the query; `None` if nobody wants to know.
    nodes: Option<HashMap<Place, NodeCost>>,
}

impl Counts {
    pub(super) fn of(counting: Counting, grid: Grid) -> Self {
        let steps = if counting == Counting::Totals { Vec::new() } else { vec![0; grid.len] };
        Self { steps, nodes: (counting == Counting::Nodes).then(HashMap::new) }
    }

    /// What was counted; `None` if nobody wanted to know.
    pub(super) fn finish(self, expr: &Expr, grid: Grid) -> Option<Counted> {
        if self.steps.is_empty() {
            return None;
        }
        let steps = grid.times().zip(self.steps).collect();
        let nodes = self.nodes.map_or_else(Vec::new, |costs| listed(expr, &costs));
        Some(Counted { steps, nodes })
    }
}

fn listed(expr: &Expr, costs: &HashMap<Place, NodeCost>) -> Vec<NodeCounts> {
    let (mut nodes, mut open, mut bytes) = (Vec::<NodeCounts>::new(), vec![(0, expr)], 0);
    while let Some((depth, expr)) = open.pop().filter(|_| bytes < TEXT_BYTES_MAX) {
        bytes += nodes.last().map_or(0, |node| node.expr.len());
        let expr = expr.unparen();
        let span = expr.span();
        let cost = costs.get(&(span.start, span.end)).copied();
        nodes.push(NodeCounts { depth, expr: expr.to_string(), kind: expr.value_type().as_str(), cost });
        open.extend(expr.children().into_iter().rev().map(|child| (depth + 1, child)));
    }
    nodes
}

/// The time and the counts at which a node began.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    at: Instant,
    stats: Stats,
}

impl Evaluator<'_> {
    /// Begins to count a node; `None` if nobody wants to know.
    pub(super) fn begin_node(&self) -> Option<Begun> {
        self.counts.nodes.as_ref().map(|_| Begun { at: Instant::now(), stats: self.stats })
    }

    /// Ends what [`Self::begin_node`] began. Of the time so much was spent above the node.
    pub(super) fn end_node(&mut self, begun: Option<Begun>, plan: &Plan, series: usize, above: Duration) {
        let stats = self.stats;
        let Some((begun, nodes)) = begun.zip(self.counts.nodes.as_mut()) else { return };
        let cost = nodes.entry((plan.pos, plan.end)).or_default();
        cost.series = cost.series.max(series as u64);
        cost.series_read += stats.series.saturating_sub(begun.stats.series);
        cost.samples_read += stats.samples_read.saturating_sub(begun.stats.samples_read);
        cost.samples += stats.samples.saturating_sub(begun.stats.samples);
        cost.time += begun.at.elapsed().saturating_sub(above);
    }

    /// As [`Self::end_node`], of what a node yields.
    pub(super) fn end_value(&mut self, begun: Option<Begun>, plan: &Plan, value: &Yield) {
        // What streams is counted there; what is evaluated once is below it.
        if !matches!(plan.node, Node::Select(_) | Node::Once(_)) {
            let series = if let Yield::Rows(rows) = value { rows.len() } else { 1 };
            self.end_node(begun, plan, series, Duration::ZERO);
        }
    }

    /// Hands rows on, and counts the node that yields them if that is asked for.
    pub(super) fn counted(
        &mut self,
        plan: &Plan,
        each: &mut dyn FnMut(&mut Self, Streamed<'_>) -> Result<(), QueryError>,
        work: impl FnOnce(
            &mut Self,
            &mut dyn FnMut(&mut Self, Streamed<'_>) -> Result<(), QueryError>,
        ) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let Some(begun) = self.begin_node() else { return work(self, each) };
        let (mut series, mut above) = (0, Duration::ZERO);
        let done = work(self, &mut |evaluator, row| {
            series += 1;
            let at = Instant::now();
            let done = each(evaluator, row);
            above += at.elapsed();
            done
        });
        self.end_node(Some(begun), plan, series, above);
        done
    }
}
