//! `hinomi query`: asks a running Hinomi for numbers, in PromQL.
//!
//! An expression at one moment is a table, over a range a chart on a terminal and a table elsewhere. Times are worked out here,
//! once, so that all questions of one call are of the same times.

mod answer;
mod explain;
mod when;

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::{Global, Output, Query};
use crate::exit::{self, Code, Usage};
use crate::render::query::{chart, csv, table, wrong};
use crate::terminal::{self, Page};
use crate::{client, config};

pub(crate) use answer::{Answered, Body, Histogram, Labels, Sample, Stats, Stream};
pub(crate) use explain::{Cost, Node};
pub(crate) use when::{Range, When};

/// Points of a range that is printed as a chart: two in each column.
const POINTS_PER_COLUMN: usize = 2;

/// `hinomi query EXPR`.
pub(crate) fn query(global: &Global, asked: &Query) -> anyhow::Result<Code> {
    let page = Page::stdout();
    let when = When::of(asked, page.now, page.width * POINTS_PER_COLUMN)?;
    let server = config::server(global)?;
    let mut raw = ask(&server, &asked.expr, when, asked.explain)?;
    if global.output == Output::Json {
        terminal::print_json(&raw)?;
        return Ok(exit::OK);
    }
    client::make_printable(&mut raw);
    let nodes = explain::nodes(&raw);
    let body: Body = serde_json::from_value(raw)
        .context("the answer is not understood; is the server of another version?")?;
    let text = match (global.output, &body.data.answered, when) {
        (Output::Csv, answered, _) => csv::text(answered),
        _ if asked.explain => table::explained(&page, &nodes, body.data.stats.as_ref(), when),
        (_, Answered::Matrix(streams), When::Range(range)) if terminal::is_terminal() => {
            chart::text(&page, streams, range)
        }
        (_, answered, _) => table::text(&page, answered),
    };
    terminal::print(&text)?;
    for note in
        body.warnings.iter().map(|text| ("warning", text)).chain(body.infos.iter().map(|text| ("note", text)))
    {
        terminal::say(&format!("{}: {}", note.0, note.1));
    }
    Ok(exit::OK)
}

/// The server's answer; of a query that is wrong a text that shows where.
fn ask(server: &client::Server, expr: &str, when: When, stats: bool) -> anyhow::Result<Value> {
    let (path, mut pairs) = when.question(expr);
    if stats {
        pairs.push(("stats", "explain".to_owned()));
    }
    client::numbers(server, path, &pairs).map_err(|error| match error.downcast_ref::<client::Error>() {
        Some(refusal) if refusal.kind() == hinomi_model::ErrorKind::Invalid => {
            Usage(wrong::text(&refusal.to_string(), expr)).into()
        }
        _ => error,
    })
}
