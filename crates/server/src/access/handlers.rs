//! `/api/hinomi/v1/session`: how a browser logs in and out.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use hinomi_config::Secret;
use serde::Deserialize;
use serde_json::json;

use super::{Gate, sessions};
use crate::Error;
use crate::guard::{LOGIN_MAX_BYTES, Peer};

/// How long the answer to a wrong token takes.
const WRONG_TAKES: Duration = Duration::from_millis(300);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    token: String,
}

/// GET: is a login needed, and done? POST: log in. DELETE: log out.
pub(crate) fn session<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(ask).post(log_in).delete(log_out)
}

async fn ask(
    Extension(gate): Extension<Arc<Gate>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let authenticated = gate.admit(&headers, peer.near).is_ok();
    axum::Json(json!({ "login_required": gate.is_locked(), "authenticated": authenticated })).into_response()
}

async fn log_in(
    Extension(gate): Extension<Arc<Gate>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    // The guard has read it.
    let bytes =
        axum::body::to_bytes(body, LOGIN_MAX_BYTES).await.map_err(|_| Error::Body(LOGIN_MAX_BYTES))?;
    // The error of the decoder could repeat the token, so it is not shown.
    let login: Login = serde_json::from_slice(&bytes)
        .map_err(|_| Error::Parameter("the body is not {\"token\": \"…\"}".to_owned()))?;
    let token = Secret::new(login.token);
    let asked = Arc::clone(&gate);
    let entry = tokio::task::spawn_blocking(move || asked.log_in(token.expose(), peer.near)).await;
    let entry = entry.map_err(|error| Error::Died(error.to_string()))?;
    if matches!(entry, Err(Error::WrongToken)) {
        tracing::warn!(from = %peer.address.ip(), "a login with a wrong token");
        tokio::time::sleep(WRONG_TAKES).await;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some((name, id)) = gate.cookie().zip(entry?) {
        let life = sessions::LIFE_SECS;
        set_cookie(&mut response, &format!("{name}={id}"), life, is_secure(&peer, &headers))?;
    }
    Ok(response)
}

async fn log_out(
    Extension(gate): Extension<Arc<Gate>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let secure = is_secure(&peer, &headers);
    let asked = Arc::clone(&gate);
    let ended = tokio::task::spawn_blocking(move || asked.log_out(&headers)).await;
    ended.map_err(|error| Error::Died(error.to_string()))?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(name) = gate.cookie() {
        set_cookie(&mut response, &format!("{name}="), 0, secure)?;
    }
    Ok(response)
}

/// By this server's TLS, or by that of a proxy in front: the guard has checked that `Origin` is one of Hinomi's own.
fn is_secure(peer: &Peer, headers: &HeaderMap) -> bool {
    peer.tls || headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn set_cookie(response: &mut Response, cookie: &str, seconds: u64, secure: bool) -> Result<(), Error> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    let value = HeaderValue::from_str(&text).map_err(|error| Error::Died(error.to_string()))?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(())
}
