//! `status/*`, and what Hinomi has none of: targets, rules and alerts, answered as Prometheus does that has none.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse as _;
use hinomi_pipeline::Question;
use hinomi_series::{Labels, METRIC_NAME, duration};
use serde_json::{Value, json};

use super::answer::{Answer, small, success};
use super::failure::Failure;
use super::params::Params;
use crate::routes::Context;

/// The version of Prometheus whose API this is: what clients look at to know what they may ask.
const MODEL: &str = "3.5.0";
/// Entries of a list of `status/tsdb`, and the most that may be asked for.
const LIST: (usize, usize) = (10, 10_000);
/// How far back a series counts for `status/tsdb`.
const RECENT: Duration = Duration::from_hours(2);

/// `GET /api/v1/status/buildinfo`.
pub(crate) async fn buildinfo(params: Params) -> Answer {
    Ok(small(
        &params,
        &json!({
            "version": MODEL,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
            "application": "Hinomi",
            "hinomiVersion": env!("CARGO_PKG_VERSION"),
        }),
    ))
}

/// `GET /api/v1/status/runtimeinfo`.
pub(crate) async fn runtimeinfo(State(context): State<Context>, params: Params) -> Answer {
    let status = context.handle.status();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let data = json!({
        "startTime": status.started_at,
        "CWD": std::env::current_dir().unwrap_or_default().display().to_string(),
        "hostname": status.cluster,
        "serverTime": context.handle.now().rfc3339(),
        "reloadConfigSuccess": true,
        "lastConfigTime": status.started_at,
        "corruptionCount": status.metrics.damage.len(),
        "GOMAXPROCS": threads,
        "GOMEMLIMIT": status.memory_limit_bytes,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention(&params),
    });
    Ok(small(&params, &data))
}

fn retention(params: &Params) -> String {
    let ms = i64::try_from(params.metrics.retention().as_millis()).unwrap_or(i64::MAX);
    duration::format_ms(ms)
}

/// `GET /api/v1/status/config`.
pub(crate) async fn config(State(context): State<Context>, params: Params) -> Answer {
    Ok(small(&params, &json!({ "yaml": context.handle.settings().effective_yaml() })))
}

/// `GET /api/v1/status/flags`: what Prometheus has flags for, as Hinomi is set.
pub(crate) async fn flags(State(context): State<Context>, params: Params) -> Answer {
    let settings = context.handle.settings();
    let query = &settings.metrics.query;
    let features = if settings.metrics.promql_experimental {
        "promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,promql-binop-fill-modifiers,promql-delayed-name-removal"
    } else {
        ""
    };
    let text = |time: Duration| duration::format_ms(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    let flags: BTreeMap<&str, String> = [
        ("enable-feature", features.to_owned()),
        ("query.lookback-delta", text(query.lookback)),
        ("query.max-concurrency", query.concurrent.to_string()),
        ("query.max-samples", query.samples_max.to_string()),
        ("query.timeout", text(query.timeout)),
        ("storage.tsdb.path", settings.data_dir.join("metrics").display().to_string()),
        ("storage.tsdb.retention.size", format!("{}B", settings.retention.metrics_disk_max_bytes())),
        ("storage.tsdb.retention.time", retention(&params)),
        ("web.enable-admin-api", settings.metrics.admin_api.to_string()),
        ("web.enable-lifecycle", "false".to_owned()),
        ("web.enable-remote-write-receiver", "true".to_owned()),
        ("web.listen-address", settings.listen.to_string()),
    ]
    .into();
    Ok(small(&params, &json!(flags)))
}

/// `GET /api/v1/status/walreplay`: it is over before anybody is answered.
pub(crate) async fn walreplay(params: Params) -> Answer {
    Ok(small(&params, &json!({ "min": 0, "max": 0, "current": 0, "state": "done" })))
}

/// `GET /api/v1/status/tsdb`: of the tenant's series that had samples lately.
pub(crate) async fn tsdb(State(context): State<Context>, params: Params) -> Answer {
    let limit = match params.get("limit") {
        "" => LIST.0,
        text => {
            let number = text.parse::<usize>().ok().filter(|limit| *limit > 0);
            number.ok_or_else(|| Failure::bad_data("limit must be a positive number"))?
        }
    };
    if limit > LIST.1 {
        return Err(Failure::bad_data(format!("limit must not exceed {}", LIST.1)));
    }
    let now_ms = context.handle.now().0.div_euclid(1_000_000);
    let from = now_ms.saturating_sub(i64::try_from(RECENT.as_millis()).unwrap_or(i64::MAX));
    let (asked, metrics) = (params.asked()?, params.metrics.clone());
    let work = move |question: &Question| {
        let recent = question.series(&[vec![]], (from, i64::MAX))?;
        let data = cardinality(&recent, limit, (from, now_ms));
        success(&params, 0, |json| json.raw(&data.to_string()), &[]).drawn(question)
    };
    Ok(metrics.ask(&asked, work).await?.into_response())
}

fn cardinality(series: &[Labels], limit: usize, (from_ms, now_ms): (i64, i64)) -> Value {
    let mut pairs: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (name, value) in series.iter().flat_map(Labels::iter) {
        *pairs.entry((name, value)).or_default() += 1;
    }
    let (mut names, mut values, mut bytes) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for ((name, value), count) in &pairs {
        if *name == METRIC_NAME {
            names.push(((*value).to_owned(), *count));
        }
        *values.entry((*name).to_owned()).or_insert(0_u64) += 1;
        let size = (name.len() as u64).saturating_add(value.len() as u64);
        *bytes.entry((*name).to_owned()).or_insert(0_u64) += size.saturating_mul(*count);
    }
    let listed = pairs.iter().map(|((name, value), count)| (format!("{name}={value}"), *count));
    json!({
        "headStats": {
            "numSeries": series.len(),
            "numLabelPairs": pairs.len(),
            "chunkCount": series.len(),
            "minTime": from_ms,
            "maxTime": now_ms,
        },
        "seriesCountByMetricName": greatest(names, limit),
        "labelValueCountByLabelName": greatest(values.into_iter().collect(), limit),
        "memoryInBytesByLabelName": greatest(bytes.into_iter().collect(), limit),
        "seriesCountByLabelValuePair": greatest(listed.collect(), limit),
    })
}

fn greatest(mut list: Vec<(String, u64)>, limit: usize) -> Vec<Value> {
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.into_iter().take(limit).map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// `GET /api/v1/targets`: Hinomi scrapes none.
pub(crate) async fn targets(params: Params) -> Answer {
    Ok(small(&params, &json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} })))
}

/// `GET /api/v1/targets/metadata`.
pub(crate) async fn nothing(params: Params) -> Answer {
    Ok(small(&params, &json!([])))
}

/// `GET /api/v1/scrape_pools`.
pub(crate) async fn scrape_pools(params: Params) -> Answer {
    Ok(small(&params, &json!({ "scrapePools": [] })))
}

/// `GET /api/v1/rules`: Hinomi evaluates none.
pub(crate) async fn rules(params: Params) -> Answer {
    Ok(small(&params, &json!({ "groups": [] })))
}

/// `GET /api/v1/alerts`: none of Prometheus' kind; what Hinomi finds is at `/api/hinomi/v1/findings`.
pub(crate) async fn alerts(params: Params) -> Answer {
    Ok(small(&params, &json!({ "alerts": [] })))
}

/// `GET /api/v1/alertmanagers`.
pub(crate) async fn alertmanagers(params: Params) -> Answer {
    Ok(small(&params, &json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_most_comes_first() {
        let series = [("up", "a"), ("up", "b"), ("down", "a")]
            .map(|(name, job)| Labels::from_pairs([(METRIC_NAME, name), ("job", job)]));
        let found = cardinality(&series, 1, (0, 1));
        assert_eq!(found["headStats"]["numLabelPairs"], 4);
        assert_eq!(found["seriesCountByMetricName"], json!([{ "name": "up", "value": 2 }]));
        assert_eq!(found["labelValueCountByLabelName"], json!([{ "name": "__name__", "value": 2 }]));
        assert_eq!(found["seriesCountByLabelValuePair"], json!([{ "name": "__name__=up", "value": 2 }]));
        assert_eq!(found["memoryInBytesByLabelName"], json!([{ "name": "__name__", "value": 32 }]));
    }
}
