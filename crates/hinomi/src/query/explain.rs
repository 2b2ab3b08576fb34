//! What each part of a query costs, as the server counted it while it answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A node of the query's tree.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Node {
    /// How far below the top.
    pub(crate) depth: usize,
    /// As PromQL.
    pub(crate) expr: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `None`: it was not evaluated by itself.
    pub(crate) cost: Option<Cost>,
}

/// What a node costs with all below it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Cost {
    /// Series that it yields.
    pub(crate) series: u64,
    /// Series that selectors read for it.
    pub(crate) series_read: u64,
    /// Samples that selectors read for it.
    pub(crate) samples_read: u64,
    /// Samples that its steps looked at, each as often as it was looked at.
    pub(crate) samples: u64,
    pub(crate) seconds: f64,
}

/// The nodes in the order in which they are read; none, if the server does not count them.
pub(crate) fn nodes(answer: &Value) -> Vec<Node> {
    let nodes = answer.pointer("/data/stats/explain").cloned();
    nodes.and_then(|nodes| serde_json::from_value(nodes).ok()).unwrap_or_default()
}
