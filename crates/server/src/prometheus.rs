//! What speaks Prometheus' language.

mod admin;
mod answer;
mod evaluate;
pub(crate) mod failure;
mod find;
mod json;
pub(crate) mod own;
mod params;
mod status;
mod time;
pub(crate) mod write;

use axum::routing::{MethodRouter, get, post};

use crate::routes::Context;

/// The questions of Prometheus' API and who answers them; `docs/reference/prometheus-api.md` describes them.
pub(crate) fn table() -> Vec<(&'static str, MethodRouter<Context>)> {
    vec![
        ("/api/v1/query", get(evaluate::instant).post(evaluate::instant)),
        ("/api/v1/query_range", get(evaluate::range).post(evaluate::range)),
        ("/api/v1/query_exemplars", get(evaluate::exemplars).post(evaluate::exemplars)),
        ("/api/v1/format_query", get(evaluate::format_query).post(evaluate::format_query)),
        ("/api/v1/parse_query", get(evaluate::parse_query).post(evaluate::parse_query)),
        ("/api/v1/series", get(find::series).post(find::series)),
        ("/api/v1/labels", get(find::labels).post(find::labels)),
        ("/api/v1/label/{name}/values", get(find::values)),
        ("/api/v1/metadata", get(find::metadata)),
        ("/api/v1/status/buildinfo", get(status::buildinfo)),
        ("/api/v1/status/config", get(status::config)),
        ("/api/v1/status/flags", get(status::flags)),
        ("/api/v1/status/runtimeinfo", get(status::runtimeinfo)),
        ("/api/v1/status/tsdb", get(status::tsdb)),
        ("/api/v1/status/walreplay", get(status::walreplay)),
        ("/api/v1/targets", get(status::targets)),
        ("/api/v1/targets/metadata", get(status::nothing)),
        ("/api/v1/scrape_pools", get(status::scrape_pools)),
        ("/api/v1/rules", get(status::rules)),
        ("/api/v1/alerts", get(status::alerts)),
        ("/api/v1/alertmanagers", get(status::alertmanagers)),
        ("/api/v1/admin/tsdb/delete_series", post(admin::delete_series).put(admin::delete_series)),
        ("/api/v1/admin/tsdb/clean_tombstones", post(admin::clean_tombstones).put(admin::clean_tombstones)),
        ("/api/v1/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot)),
    ]
}
