//! Who may move services. Until callers can prove who they are, only this machine may.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;

use super::problem::Answer;
use super::state::AppState;

/// Lets reads through, and moves that come from this machine and not from a page of another site.
pub(super) async fn moves_are_ours(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if !peer.ip().to_canonical().is_loopback() && !state.allow_unauthenticated {
        return Answer::problem(
            Code::AuthenticationNotConfigured,
            format!("a move asked for from {} cannot be told apart from anybody else's", peer.ip()),
            "call from this machine (kubectl port-forward does), or start the server with --allow-unauthenticated-moves behind something that checks callers",
        )
        .into_response();
    }
    if is_foreign_page(request.headers()) {
        return Answer::problem(
            Code::CrossOrigin,
            "a page of another origin asked a browser to move a service",
            "call the API from a program, or from a page of its own origin",
        )
        .into_response();
    }
    next.run(request).await
}

/// Whether a browser sent this for a page that is not ours. Programs send neither header.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    origin_host.is_none() || origin_host != text(header::HOST.as_str())
}
