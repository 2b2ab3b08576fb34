//! What each part of a query costs: the tree as it is parsed here, each node of it asked by itself.

use hinomi_query::ast::{Expr, ValueType};
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answered, Body};
use super::{When, ask};
use crate::client::Server;

/// Nodes that are asked for; those below are printed without a cost.
const NODES_MAX: usize = 64;

/// A node of the tree.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    /// How far below the top.
    pub(crate) depth: usize,
    /// As PromQL.
    pub(crate) expr: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// `None`: it was not asked for, or can't be by itself.
    pub(crate) cost: Option<Cost>,
}

/// What a node costs with all below it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    /// Most series of one step.
    pub(crate) series: u64,
    /// Samples that were looked at.
    pub(crate) samples: u64,
    pub(crate) seconds: f64,
}

/// All nodes in the order in which they are read.
///
/// # Errors
///
/// The server does not answer.
pub(crate) fn nodes(server: &Server, text: &str, when: When) -> anyhow::Result<Vec<Node>> {
    let options = hinomi_query::Options { experimental: true };
    // What the server understands and this program does not has no plan.
    let Ok(expr) = hinomi_query::parse(text, options) else { return Ok(Vec::new()) };
    let mut nodes = Vec::new();
    let mut open = vec![(0, &expr)];
    while let Some((depth, expr)) = open.pop() {
        let expr = expr.unparen();
        let cost = if nodes.len() < NODES_MAX { cost(server, expr, when) } else { None };
        nodes.push(Node { depth, expr: expr.to_string(), kind: expr.value_type().as_str(), cost });
        open.extend(expr.children().into_iter().rev().map(|child| (depth + 1, child)));
    }
    Ok(nodes)
}

/// A count over the node reads what the node reads, and its answer is short.
fn cost(server: &Server, expr: &Expr, when: When) -> Option<Cost> {
    let question = match expr.value_type() {
        ValueType::Vector => format!("count({expr})"),
        ValueType::Matrix => format!("count(count_over_time({expr}))"),
        ValueType::Scalar if matches!(expr, Expr::Call(_) | Expr::Binary(_)) => format!("vector({expr})"),
        ValueType::Scalar | ValueType::String | ValueType::None => return None,
    };
    let body: Value = ask(server, &question, when, true).ok()?;
    let body: Body = serde_json::from_value(body).ok()?;
    let stats = body.data.stats?;
    Some(Cost {
        series: if expr.value_type() == ValueType::Scalar { 1 } else { most(&body.data.answered) },
        samples: stats.samples.total_queryable_samples,
        seconds: stats.timings.exec_total_time,
    })
}

/// The highest count; 0 where there is none.
fn most(answered: &Answered) -> u64 {
    let counts: Vec<&str> = match answered {
        Answered::Vector(samples) => {
            samples.iter().filter_map(|one| Some(one.value.as_ref()?.1.as_str())).collect()
        }
        Answered::Matrix(streams) => {
            streams.iter().flat_map(|one| one.values.iter().map(|point| point.1.as_str())).collect()
        }
        Answered::Scalar(_) | Answered::String(_) => Vec::new(),
    };
    counts.into_iter().filter_map(|text| text.parse().ok()).max().unwrap_or(0)
}
