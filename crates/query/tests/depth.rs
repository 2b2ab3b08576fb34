//! The deepest queries that there may be, on threads as the program has them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "promql/source.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod source;

use hinomi_model::Tenant;
use hinomi_model::metrics::ReadLimit;
use hinomi_query::eval::{self, Counting, Options, Query};
use hinomi_query::parse::{DEPTH_MAX, STACK_BYTES, parse_partly};
use hinomi_query::print::pretty;
use hinomi_query::{json, parse};
use hinomi_series::Labels;
use source::Memory;

const ALL: hinomi_query::Options = hinomi_query::Options { experimental: true };

/// Ways to put one level around a query, and what is innermost.
const SHAPES: [(&str, &str, &str); 9] = [
    ("sum(", "up", ")"),
    ("sum by (job) (", "up", ")"),
    ("topk(1, ", "up", ")"),
    ("abs(", "up", ")"),
    ("(", "up", ")"),
    ("-", "up", ""),
    ("up + (", "up", ")"),
    ("max_over_time((", "up", ")[1m:15s])"),
    ("label_replace(", "up", ", \"a\", \"b\", \"\", \"\")"),
];

/// The deepest query of a shape that is no error.
fn deepest((before, inner, after): (&str, &str, &str)) -> String {
    let text = |levels: usize| format!("{}{inner}{}", before.repeat(levels), after.repeat(levels));
    let levels = (1..=DEPTH_MAX as usize).rev().find(|levels| parse(&text(*levels), ALL).is_ok());
    text(levels.unwrap_or_else(|| panic!("{before}")))
}

fn memory() -> Memory {
    let mut memory = Memory::default();
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]);
    memory.write(labels, (0..40).map(|at| (at * 15_000, 1.0.into(), 0)));
    memory
}

fn do_everything(text: &str) {
    let expr = parse(text, ALL).unwrap();
    let printed = expr.to_string();
    assert_eq!(parse(&pretty(&expr), ALL).unwrap().to_string(), printed);
    assert!(!json::tree(&expr).to_string().is_empty());
    let options = Options { counting: Counting::Nodes, ..Options::default() };
    let query = Query { text, expr: &expr, tenant: Tenant::default(), limit: ReadLimit::unlimited() };
    let source = memory();
    eval::instant(&source, &query, &options, 600_000).unwrap();
    eval::range(&source, &query, &options, 0, 600_000, 60_000).unwrap();
}

#[test]
fn the_deepest_queries_find_room_in_half_of_a_stack() {
    let all: Vec<String> = SHAPES.iter().map(|shape| deepest(*shape)).collect();
    let on_a_thread = move || {
        for text in &all {
            do_everything(text);
        }
        // Nor does what is far too deep take more.
        for (before, ..) in SHAPES {
            let _unseen = parse_partly(&before.repeat(10_000), ALL);
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES / 2).spawn(on_a_thread).unwrap();
    thread.join().unwrap();
}
