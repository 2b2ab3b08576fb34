//! `GET /metrics`: how Hinomi itself is, in the formats that Prometheus and others scrape.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hinomi_wire::{Families, Format};

use crate::Error;
use crate::guard::Place;
use crate::routes::Context;

/// Labels that whoever scrapes gives itself.
const OMIT: [&str; 2] = ["job", "instance"];

/// Prometheus text 0.0.4, or OpenMetrics where `Accept` prefers it.
pub(crate) async fn metrics(
    State(context): State<Context>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::from_accept(accept);
    let handle = context.handle;
    let text = tokio::task::spawn_blocking(move || {
        let _held = place;
        let (mut families, mut text) = (Families::new(), String::new());
        handle.own_metrics(&mut families);
        format.write(&families, &OMIT, &mut text);
        text
    })
    .await
    .map_err(|error| Error::Died(error.to_string()))?;
    let head = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept")];
    Ok((head, text).into_response())
}
