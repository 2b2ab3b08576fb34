//! `admin/tsdb/*`: what changes what is stored. Off unless the configuration says otherwise.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hinomi_model::Nanos;
use hinomi_pipeline::{Question, Unanswered};
use hinomi_series::quote;
use serde_json::json;

use super::answer::{Answer, small};
use super::failure::{Failure, Kind};
use super::params::{Params, shown};
use crate::routes::Context;

fn allowed(context: &Context) -> Result<(), Failure> {
    match context.handle.settings().metrics.admin_api {
        true => Ok(()),
        false => Err(Failure::new(Kind::Unavailable, "admin APIs disabled")),
    }
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `POST|PUT /api/v1/admin/tsdb/delete_series`.
pub(crate) async fn delete_series(State(context): State<Context>, params: Params) -> Answer {
    allowed(&context)?;
    let sets = params.matchers()?;
    if sets.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided"));
    }
    let (start, end) = params.range()?;
    tracing::warn!(tenant = %params.tenant.0, sets = sets.len(), start, end, "series are deleted by request");
    let asked = params.asked()?;
    let work = move |question: &Question| {
        let db = question.metrics().db();
        sets.iter().try_for_each(|matchers| db.delete(question.tenant(), matchers, start, end))
    };
    params.metrics.ask(&asked, work).await?;
    Ok(done())
}

/// `POST|PUT /api/v1/admin/tsdb/clean_tombstones`.
pub(crate) async fn clean_tombstones(State(context): State<Context>, params: Params) -> Answer {
    allowed(&context)?;
    let asked = params.asked()?;
    params.metrics.ask(&asked, |question: &Question| question.metrics().db().purge_deleted()).await?;
    Ok(done())
}

/// `POST|PUT /api/v1/admin/tsdb/snapshot`: a copy below `snapshots` in the data folder, of all tenants.
pub(crate) async fn snapshot(State(context): State<Context>, params: Params) -> Answer {
    allowed(&context)?;
    let skip_head = params.get("skip_head");
    if !matches!(skip_head, "" | "0" | "f" | "F" | "false" | "False" | "FALSE") {
        let why = match skip_head {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => {
                "a snapshot without the head is not possible here".to_owned()
            }
            other => format!("unable to parse boolean {}", quote(&shown(other))),
        };
        return Err(Failure::parameter("skip_head", why));
    }
    let name = folder_name(context.handle.now());
    let parent = context.handle.settings().data_dir.join("snapshots");
    let to = parent.join(&name);
    let asked = params.asked()?;
    let work = move |question: &Question| {
        std::fs::create_dir_all(&parent)
            .map_err(|error| Unanswered::Refused(format!("make the folder {}: {error}", parent.display())))?;
        question.metrics().db().snapshot(&to).map_err(Unanswered::from)
    };
    params.metrics.ask(&asked, work).await?;
    Ok(small(&params, &json!({ "name": name })))
}

/// As Prometheus names it, `20261124T081500Z-` and a number; here the nanoseconds, which differ from call to call.
fn folder_name(now: Nanos) -> String {
    let stamp: String = now.rfc3339().chars().filter(|c| c.is_ascii_alphanumeric()).take(15).collect();
    format!("{stamp}Z-{:09x}", now.0.rem_euclid(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_named_by_time() {
        assert_eq!(folder_name(Nanos(1_435_781_451_781_000_000)), "20150701T201051Z-02e8d1d40");
    }
}
