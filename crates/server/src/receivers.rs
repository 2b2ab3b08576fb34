//! Tests of receivers: the one thing that somebody can make Hinomi do over the API.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use hinomi_pipeline::ReceiverTest;

use crate::Error;
use crate::query::named;
use crate::routes::Context;

/// POST `/api/hinomi/v1/receivers/{name}/test`: sends a test message, once.
pub(crate) async fn test(
    State(context): State<Context>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<ReceiverTest>, Error> {
    Ok(Json(context.handle.test_receiver(&named(name)?).await?))
}
