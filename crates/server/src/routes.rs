//! The paths of the API and their handlers: decode, call, encode.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use hinomi_base::task::Shutdown;
use hinomi_pipeline::{Handle, Vitals};
use serde::Serialize;
use serde_json::json;

use crate::Error;
use crate::guard::{Guard, Place, guard};
use crate::language::speak;
use crate::query::{All, Name, Past, asked, named};
use crate::service::Ready;

/// The description of this API, OpenAPI 3.1 in YAML.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.yaml");

/// What handlers ask.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) handle: Handle,
    pub(crate) ready: Ready,
    /// Ends what would not end by itself.
    pub(crate) shutdown: Option<Shutdown>,
}

type Answer = Result<Response, Error>;
type Queried<T> = Result<Query<T>, QueryRejection>;
type Named = Result<Path<String>, PathRejection>;

/// Every path and who answers there; the router, [`paths`] and the test of the OpenAPI document read the same table.
fn table() -> Vec<(&'static str, MethodRouter<Context>)> {
    let mut table = crate::prometheus::table();
    table.extend([
        ("/-/healthy", get(healthy)),
        ("/-/ready", get(ready)),
        ("/metrics", get(crate::prometheus::own::metrics)),
        (crate::guard::WRITE, post(crate::prometheus::write::write)),
        ("/api/hinomi/v1/session", crate::access::session()),
        ("/api/hinomi/v1/status", get(status)),
        ("/api/hinomi/v1/overview", get(overview)),
        ("/api/hinomi/v1/findings", get(findings)),
        ("/api/hinomi/v1/findings/{id}", get(finding)),
        ("/api/hinomi/v1/incidents", get(incidents)),
        ("/api/hinomi/v1/incidents/{key}", get(incident)),
        ("/api/hinomi/v1/timeline", get(timeline)),
        ("/api/hinomi/v1/workloads", get(workloads)),
        ("/api/hinomi/v1/workload", get(workload)),
        ("/api/hinomi/v1/stream", get(crate::stream::stream)),
        ("/api/hinomi/v1/why", get(why)),
        ("/api/hinomi/v1/inspections", get(inspections)),
        ("/api/hinomi/v1/receivers", get(receivers)),
        ("/api/hinomi/v1/receivers/{name}/test", post(crate::receivers::test)),
        (crate::guard::BACKUP, post(crate::backup::backup)),
        ("/api/hinomi/v1/openapi.yaml", get(openapi)),
    ]);
    table
}

/// All paths of the API, parameters in braces.
#[must_use]
pub fn paths() -> Vec<&'static str> {
    table().into_iter().map(|(path, _)| path).collect()
}

/// The router behind the guard.
pub(crate) fn router(context: Context, guarding: Arc<Guard>) -> Router {
    let router = table().into_iter().fold(Router::new(), |router, (path, method)| router.route(path, method));
    guarded(router.fallback(crate::assets::page).with_state(context), guarding)
}

/// What is around every handler. Whatever works on a request does so within the guard's places and time.
pub(crate) fn guarded(router: Router, guarding: Arc<Guard>) -> Router {
    router
        .layer(axum::middleware::from_fn(speak))
        .layer(axum::middleware::from_fn_with_state(guarding, guard))
}

fn encoded<T: Serialize>(value: T) -> Answer {
    let bytes = crate::json::bytes(&value).map_err(|error| Error::Died(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response())
}

/// Only what does not go round any more is unhealthy by its status code: a restart helps against nothing else.
async fn healthy(State(context): State<Context>) -> Response {
    if !context.ready.is_ready() {
        return "starting\n".into_response();
    }
    match context.handle.vitals().await {
        Vitals::Healthy => "healthy\n".into_response(),
        Vitals::Degraded(parts) => format!("degraded: {}\n", parts.join(", ")).into_response(),
        Vitals::OutOfDisk => "out of disk\n".into_response(),
        Vitals::Stuck => (StatusCode::SERVICE_UNAVAILABLE, "stuck\n").into_response(),
    }
}

async fn ready(State(context): State<Context>) -> Answer {
    if context.ready.is_ready() {
        Ok((StatusCode::OK, "ready\n").into_response())
    } else {
        Err(Error::NotReady)
    }
}

async fn status(State(context): State<Context>) -> Answer {
    encoded(context.handle.status())
}

async fn overview(State(context): State<Context>) -> Answer {
    encoded(context.handle.overview())
}

async fn findings(State(context): State<Context>, query: Queried<All>) -> Answer {
    #[derive(Serialize)]
    struct Findings<T> {
        findings: T,
    }
    encoded(Findings { findings: context.handle.findings(asked(query)?.all) })
}

async fn finding(State(context): State<Context>, id: Named) -> Answer {
    encoded(context.handle.finding(&named(id)?)?)
}

async fn incidents(State(context): State<Context>, query: Queried<All>) -> Answer {
    #[derive(Serialize)]
    struct Incidents<T> {
        incidents: T,
    }
    encoded(Incidents { incidents: context.handle.incidents(asked(query)?.all) })
}

async fn incident(State(context): State<Context>, key: Named) -> Answer {
    encoded(context.handle.incident(&named(key)?)?)
}

async fn timeline(
    State(context): State<Context>,
    Extension(place): Extension<Place>,
    query: Queried<Past>,
) -> Answer {
    let handle = context.handle;
    let question = asked(query)?.question(handle.now())?;
    let answer = tokio::task::spawn_blocking(move || {
        // Nothing ends a thread: even if nobody waits for it any more, it is one of those at work.
        let _held = place;
        encoded(handle.timeline(&question)?)
    })
    .await;
    answer.unwrap_or_else(|error| Err(Error::Died(error.to_string())))
}

async fn workloads(State(context): State<Context>) -> Answer {
    #[derive(Serialize)]
    struct Workloads<T> {
        workloads: T,
    }
    encoded(Workloads { workloads: context.handle.workloads() })
}

async fn workload(State(context): State<Context>, query: Queried<Name>) -> Answer {
    encoded(context.handle.workload(&asked(query)?.name)?)
}

async fn why(State(context): State<Context>, query: Queried<Name>) -> Answer {
    encoded(context.handle.why(&asked(query)?.name)?)
}

async fn inspections(State(context): State<Context>) -> Answer {
    let all = context.handle.inspections().iter().map(|inspection| {
        json!({
            "id": inspection.id,
            "finds": inspection.finds,
            "listens_to": inspection.listens_to,
            "causes": inspection.causes,
        })
    });
    encoded(json!({ "inspections": all.collect::<Vec<_>>() }))
}

async fn receivers(State(context): State<Context>) -> Answer {
    #[derive(Serialize)]
    struct Receivers<T> {
        receivers: T,
    }
    encoded(Receivers { receivers: context.handle.receivers() })
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"))], OPENAPI)
}
